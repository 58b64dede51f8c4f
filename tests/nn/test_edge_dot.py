"""Inner products along edges, against dense matrices."""

import pytest
import torch
from torch import Tensor

from mrdib_graph.nn import edge_dot
from mrdib_graph.sparse import SparseMatrix


def case(rows: int, cols: int) -> tuple[SparseMatrix, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    row, col = (torch.rand(rows, cols, generator=generator) < 0.4).nonzero().T
    x, y = (
        torch.randn(n, 5, generator=generator, dtype=torch.float64, requires_grad=True)
        for n in (rows, cols)
    )
    return SparseMatrix.from_edges(row, col, None, (rows, cols)), x, y


@pytest.mark.parametrize("shape", [(6, 9), (9, 6), (7, 7)])
def test_equals_dense_products(shape: tuple[int, int]) -> None:
    pattern, x, y = case(*shape)
    score = edge_dot(pattern, x, y)
    torch.testing.assert_close(score, (x @ y.T)[pattern.row, pattern.col])
    assert torch.autograd.gradcheck(lambda a, b: edge_dot(pattern, a, b), (x, y))


def test_the_same_rows_on_both_sides() -> None:
    pattern, x, _ = case(7, 7)
    assert torch.autograd.gradcheck(lambda a: edge_dot(pattern, a, a), x)


def test_one_side_without_gradient_and_strided_rows() -> None:
    pattern, x, y = case(6, 9)
    upstream = torch.arange(pattern.nnz, dtype=torch.float64)
    edge_dot(pattern, x.detach(), y).backward(upstream)
    dense = pattern.with_values(upstream).dense()
    torch.testing.assert_close(y.grad, dense.T @ x.detach())
    wide = torch.cat([x, x], dim=1).detach()
    torch.testing.assert_close(
        edge_dot(pattern, wide[:, 5:], y.detach()), edge_dot(pattern, x, y).detach()
    )
