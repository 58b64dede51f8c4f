"""Softmax over the edges of a node, against PyTorch Geometric's and in its edge cases."""

import torch
from torch import Tensor
from torch_geometric.utils import softmax

from mrdib_graph.nn import edge_softmax
from mrdib_graph.sparse import SparseMatrix


def random_pattern(rows: int = 7, cols: int = 9) -> SparseMatrix:
    """Rows 2 and the last have no edge, row 0 has one."""
    kept = torch.rand(rows, cols, generator=torch.Generator().manual_seed(0)) < 0.5
    kept[[2, -1]] = False
    kept[0] = torch.arange(cols) == 4
    row, col = kept.nonzero().T
    return SparseMatrix.from_edges(row, col, None, (rows, cols))


def scores(pattern: SparseMatrix) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(pattern.nnz, generator=generator, dtype=torch.float64).mul_(3)


def test_equals_pyg_in_values_and_gradients() -> None:
    pattern = random_pattern()
    mine, theirs = (scores(pattern).requires_grad_() for _ in range(2))
    weight = edge_softmax(pattern, mine)
    expected = softmax(theirs, pattern.row, num_nodes=pattern.shape[0])
    torch.testing.assert_close(weight, expected)
    upstream = torch.arange(pattern.nnz, dtype=torch.float64)
    weight.backward(upstream)
    expected.backward(upstream)
    torch.testing.assert_close(mine.grad, theirs.grad)


def test_rows_sum_to_one_and_gradients_are_numerical() -> None:
    pattern = random_pattern()
    sums = pattern.with_values(edge_softmax(pattern, scores(pattern))).row_sum()
    expected = (pattern.crow.diff() > 0).double()
    torch.testing.assert_close(sums, expected)
    score = scores(pattern).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: edge_softmax(pattern, s), score)


def test_large_scores_and_equal_scores() -> None:
    pattern = random_pattern()
    score = scores(pattern)
    torch.testing.assert_close(edge_softmax(pattern, score + 1e4), edge_softmax(pattern, score))
    degree = pattern.crow.diff().double()[pattern.row]
    torch.testing.assert_close(edge_softmax(pattern, torch.zeros_like(score)), 1 / degree)


def test_edges_that_are_left_out() -> None:
    pattern = random_pattern()
    score = scores(pattern)
    row, whole_row = pattern.row, 3
    out = (row == whole_row) | (torch.arange(pattern.nnz) % 3 == 0)
    masked = score.masked_fill(out, float("-inf")).requires_grad_()
    weight = edge_softmax(pattern, masked)
    kept = SparseMatrix.from_edges(row[~out], pattern.col[~out], None, pattern.shape)
    torch.testing.assert_close(weight[~out], edge_softmax(kept, score[~out]))
    assert not weight[out].any()
    (weight * torch.arange(pattern.nnz)).sum().backward()
    assert masked.grad is not None and masked.grad.isfinite().all() and not masked.grad[out].any()
    assert masked.grad[~out].any()


def test_no_edge_at_all() -> None:
    none = torch.empty(0, dtype=torch.int64)
    pattern = SparseMatrix.from_edges(none, none, None, (3, 4))
    assert edge_softmax(pattern, torch.empty(0)).shape == (0,)
