"""Contrastive losses against loops from the formula and hand-computed values."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mrdib_graph.losses import contrastive, cosine_distance, distinct_rows, info_nce
from mrdib_graph.testing.largest_tensor import LargestTensor


def by_loop(a: Tensor, b: Tensor, tau: float, candidates: Tensor, cosine: bool) -> Tensor:
    def score(x: Tensor, y: Tensor) -> Tensor:
        value = x @ y
        return value / (x.norm() * y.norm()) if cosine else value

    losses = []
    for x, y in zip(a, b, strict=True):
        total = sum(torch.exp(score(x, c) / tau) for c in candidates)
        losses.append(-torch.log(torch.exp(score(x, y) / tau) / total))
    return torch.stack(losses).mean()


def test_two_orthonormal_rows() -> None:
    assert float(info_nce(torch.eye(2), torch.eye(2), 0.2)) == pytest.approx(0.006715, abs=1e-6)


def test_two_identical_rows() -> None:
    same = torch.tensor([[1.0, 2.0], [1.0, 2.0]])
    assert float(info_nce(same, same, 0.2)) == pytest.approx(math.log(2))


@pytest.mark.parametrize(("block", "rows"), [(1, 1), (1, 512), (6, 2), (20, 512), (2**20, 512)])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("own", [True, False])
def test_values_and_gradients_equal_the_loop(monkeypatch, block, rows, normalize, own) -> None:
    monkeypatch.setattr(contrastive, "_BLOCK_VALUES", block)
    monkeypatch.setattr(contrastive, "_BLOCK_ROWS", rows)
    generator = torch.Generator().manual_seed(0)
    everyone = torch.randn(9, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    a = torch.randn(5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    b = everyone[[0, 3, 3, 8, 1]]
    value = info_nce(a, b, 0.7, None if own else everyone, normalize)
    expected = by_loop(a, b, 0.7, b if own else everyone, normalize)
    torch.testing.assert_close(value, expected)
    for grad, wanted in zip(
        torch.autograd.grad(value, [a, everyone], retain_graph=True),
        torch.autograd.grad(expected, [a, everyone]),
        strict=True,
    ):
        torch.testing.assert_close(grad, wanted)


@pytest.mark.parametrize("normalize", [True, False])
def test_counted_rows_equal_repeated_rows(normalize) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64).unbind()
    a, b = a.requires_grad_(), b.requires_grad_()
    index = torch.tensor([2, 0, 2, 1, 3, 3, 2])
    positions, counts = distinct_rows(index)
    assert index[positions].tolist() == [0, 1, 2, 3] and counts.tolist() == [1, 1, 3, 2]
    value = info_nce(a, b, 0.5, normalize=normalize, count=counts)
    expected = info_nce(a[index], b[index], 0.5, normalize=normalize)
    torch.testing.assert_close(value, expected)
    for grad, wanted in zip(
        torch.autograd.grad(value, [a, b]), torch.autograd.grad(expected, [a, b]), strict=True
    ):
        torch.testing.assert_close(grad, wanted)


def test_gradients_numerically() -> None:
    a, b, c = (torch.randn(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(3))
    assert torch.autograd.gradcheck(lambda *x: info_nce(x[0], x[1], 0.4, x[2]), (a, b, c))


def test_no_table_of_all_scores_is_made(monkeypatch) -> None:
    monkeypatch.setattr(contrastive, "_BLOCK_VALUES", 2**12)
    x = torch.randn(500, 4, requires_grad=True)
    with LargestTensor() as largest:
        torch.autograd.backward(info_nce(x, x, 0.2))
    assert largest.num_values <= 2**12


def test_many_candidates_are_read_once_for_512_rows() -> None:
    """Blocks that thin out as candidates grow would make the time quadratic in their number."""
    for candidates in (2_000, 200_000):
        blocks = list(contrastive._blocks(1_500, candidates))
        assert {(rows.start, rows.stop) for rows, _ in blocks} == {
            (0, 512), (512, 1024), (1024, 1500),
        }  # fmt: skip
        assert sum(cols.stop - cols.start for _, cols in blocks) == 3 * candidates


def test_cosine_distance() -> None:
    a, b = torch.tensor([[1.0, 0.0], [3.0, 4.0]]), torch.tensor([[0.0, 2.0], [3.0, 4.0]])
    assert float(cosine_distance(a, b)) == pytest.approx(0.5)
    torch.testing.assert_close(cosine_distance(a, b), (1 - F.cosine_similarity(a, b)).mean())
