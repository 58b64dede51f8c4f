import pytest
import torch

from mrdib_graph.information.joint_sources import joint_sources
from mrdib_graph.information.sources import Source


def white(n, k, generator):
    x = torch.randn(n, k, generator=generator, dtype=torch.float64)
    return torch.linalg.qr(x - x.mean(0)).Q * n**0.5


@pytest.fixture
def mask(generator):
    """Two halves of a masked factor: f + 3 key and f - 3 key, read with one taste each."""
    factor, key = white(2000, 8, generator).split(4, 1)
    taste = torch.randn(100, 4, generator=generator, dtype=torch.float64)
    first, second = Source(taste, factor + 3 * key, 4), Source(taste, factor - 3 * key, 4)
    return first, second, taste @ factor.T


def correlation(a, b):
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


def test_two_halves_show_the_masked_factor(mask):
    first, second, target = mask
    alone = first.user @ first.item.T
    together = sum(s.user @ s.item.T for s in joint_sources([first, second]))
    assert correlation(alone, target) == pytest.approx(10**-0.5, abs=0.01)
    assert correlation(together, target) > 0.999


def test_an_invertible_map_of_one_code_changes_nothing(mask, generator):
    first, second, _ = mask
    turn = torch.randn(4, 4, generator=generator, dtype=torch.float64) + 3 * torch.eye(4)
    moved = Source(first.user @ torch.linalg.inv(turn).T, first.item @ turn, 4)
    for one, other in zip(
        joint_sources([first, second]), joint_sources([moved, second]), strict=True
    ):
        assert torch.allclose(one.user @ one.item.T, other.user @ other.item.T, atol=1e-8)


def test_the_formula(generator):
    """Against the covariance written out; without the shrinkage, up to its size."""
    items = torch.randn(3000, 5, generator=generator, dtype=torch.float64)
    items = (items - items.mean(0)) @ torch.randn(5, 5, generator=generator, dtype=torch.float64)
    taste = torch.randn(50, 2, generator=generator, dtype=torch.float64)
    first = Source(taste, items[:, :2], 2)
    second = Source(torch.randn(50, 3, generator=generator, dtype=torch.float64), items[:, 2:], 3)
    sigma = torch.cov(items.T, correction=0)
    shift = torch.cat([taste @ sigma[:2, :2], torch.zeros(50, 3).double()], 1)
    expected = shift @ torch.linalg.inv(sigma) @ items.T
    found = joint_sources([first, second])[0]
    assert correlation(found.user @ found.item.T, expected) > 0.98


def test_nothing_to_join(mask):
    first, second, _ = mask
    empty = Source(torch.zeros_like(first.user), first.item, 4)
    assert joint_sources([first]) == []
    assert joint_sources([first, empty]) == []
    assert len(joint_sources([first, empty, second])) == 2


def test_a_repeated_source_stays_finite(mask):
    first, _, _ = mask
    alone = first.user @ first.item.T
    for source in joint_sources([first, first]):
        assert correlation(source.user @ source.item.T, alone) > 0.999
