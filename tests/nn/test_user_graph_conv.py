"""Weights of companions against the definition, slot by slot."""

import copy
import math

import pytest
import torch
from torch import Generator, Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.nn import UserGraphConv
from mrdib_graph.nn.user_graph_conv import companion_weights, slot_copies
from mrdib_graph.sparse import SparseMatrix


def counts_of(rows: list[dict[int, float]]) -> SparseMatrix:
    """Counts [U, U] from each user's companions."""
    edges = [(u, v, c) for u, row in enumerate(rows) for v, c in row.items()]
    row, col, value = zip(*edges, strict=True)
    shape = (len(rows), len(rows))
    return SparseMatrix.from_edges(torch.tensor(row), torch.tensor(col), torch.tensor(value), shape)


HAND = counts_of([{1: 1.0, 2: 2.0}, {0: 1.0, 2: 2.0}, {0: 2.0, 1: 2.0}])


def test_hand_computed_weights_without_padding() -> None:
    weights = UserGraphConv(40, "none").matrix(HAND).dense()
    expected = torch.tensor([[0, 0.2689, 0.7311], [0.2689, 0, 0.7311], [0.5, 0.5, 0]])
    torch.testing.assert_close(weights, expected, atol=5e-5, rtol=0)


def test_equal_counts_weigh_alike() -> None:
    weights = UserGraphConv(5, "none").matrix(counts_of([{1: 3.0, 2: 3.0, 3: 3.0}, {}, {}, {}]))
    torch.testing.assert_close(weights.value, torch.full((3,), 1 / 3))


@pytest.mark.parametrize("pad", ["resample", "none"])
def test_rows_sum_to_one_or_zero(pad: str) -> None:
    counts = counts_of([{1: 300.0, 2: 1.0}, {}, {0: 4.0}])
    sums = UserGraphConv(6, pad).matrix(counts).row_sum()  # type: ignore[arg-type]
    torch.testing.assert_close(sums, torch.tensor([1.0, 0.0, 1.0]))


def slots(size: int, k: int, draw: Tensor) -> list[int]:
    """The slots of one user, filled one after another."""
    shown = list(range(size))
    while len(shown) < k:
        shown.append(shown[int(float(draw[len(shown)]) * len(shown))])
    return shown


def test_copies_equal_the_slots_filled_one_by_one() -> None:
    size, k, seed = torch.tensor([3, 0, 1, 8, 5, 7, 2]), 8, 11
    copies = slot_copies(size, k, seed)
    assert not copies[1].any() and torch.equal(copies[3], torch.ones(8))
    draw = torch.rand(5, k, generator=Generator().manual_seed(seed))
    for row, user in enumerate([0, 2, 4, 5, 6]):
        shown = slots(int(size[user]), k, draw[row])
        assert copies[user].tolist() == [float(shown.count(s)) for s in range(k)]


def test_weights_are_the_softmax_over_the_slots() -> None:
    rows = [{1: 1.0, 2: 2.0, 3: 2.0}, {0: 1.0}, {0: 2.0, 3: 5.0}, {0: 2.0, 2: 5.0}]
    counts, k, seed = counts_of(rows), 7, 5
    weights = companion_weights(counts, k, seed).dense()
    draw = torch.rand(4, k, generator=Generator().manual_seed(seed))
    for u, companions in enumerate(rows):
        names = list(companions)
        shown = [names[s] for s in slots(len(names), k, draw[u])]
        share = torch.tensor([companions[v] for v in shown]).softmax(0)
        expected = torch.zeros(4).index_add_(0, torch.tensor(shown), share)
        torch.testing.assert_close(weights[u], expected)


def test_draws_are_uniform_over_the_list_as_it_grows() -> None:
    """From two companions to four slots: 1, 2 or 3 copies of the first are equally likely."""
    copies = slot_copies(torch.full((30_000,), 2), 4, 0)[:, 0]
    shares = torch.bincount(copies.long(), minlength=4) / 30_000
    torch.testing.assert_close(shares, torch.tensor([0, 1 / 3, 1 / 3, 1 / 3]), atol=0.01, rtol=0)


def test_a_draw_lasts_until_the_next_and_survives_in_the_state() -> None:
    x = torch.randn(3, 2)
    conv = UserGraphConv(6)
    conv.draw(Generator().manual_seed(1))
    first = conv(x, HAND)
    assert torch.equal(conv(x, HAND), first) and torch.equal(conv.eval()(x, HAND), first)
    assert conv.matrix(HAND) is conv.matrix(HAND)
    other = UserGraphConv(6)
    assert not torch.equal(other(x, HAND), first)
    other.load_state_dict(conv.state_dict())
    assert torch.equal(other(x, HAND), first)
    assert torch.equal(copy.deepcopy(conv)(x, HAND), first)
    conv.draw(Generator().manual_seed(2))
    assert not torch.equal(conv(x, HAND), first)


def test_other_counts_are_not_answered_from_the_cache() -> None:
    conv = UserGraphConv(40, "none")
    conv.matrix(HAND)
    other = HAND.with_values(torch.zeros(6))
    torch.testing.assert_close(conv.matrix(other).value, torch.full((6,), 0.5))


def test_a_change_of_device_forgets_the_cache() -> None:
    conv = UserGraphConv()
    conv.matrix(HAND)
    conv.to("meta")
    assert conv._last is None


def test_gradient_reaches_the_companions() -> None:
    x = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    counts = HAND.with_values(HAND.value.double())
    conv = UserGraphConv(40, "none")
    assert torch.autograd.gradcheck(lambda x: conv(x, counts), x)
    weight = 1 / (1 + math.exp(-1))
    torch.testing.assert_close(conv(x, counts)[0], (1 - weight) * x[1] + weight * x[2])


def test_options() -> None:
    with pytest.raises(ConfigError, match="pad: got 'zeros', expected resample or none"):
        UserGraphConv(40, "zeros")  # type: ignore[arg-type]
    assert "k=40, pad='resample'" in repr(UserGraphConv())
