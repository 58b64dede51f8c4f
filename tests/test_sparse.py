"""Sparse operators against dense matrices and against PyTorch Geometric."""

import copy
import pickle

import pytest
import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.data import HeteroData
from torch_geometric.nn import LGConv

from mrdib_graph.sparse import (
    SparseMatrix,
    place_in_group,
    row_entries,
    spmm_values,
)


def random_matrix(rows: int = 7, cols: int = 5, seed: int = 0, dtype: torch.dtype = torch.float64):
    generator = torch.Generator().manual_seed(seed)
    dense = torch.randn(rows, cols, generator=generator, dtype=dtype)
    dense[torch.rand(rows, cols, generator=generator) < 0.6] = 0.0
    dense[2] = 0.0  # an empty row
    row, col = dense.nonzero().T
    order = torch.randperm(row.numel(), generator=generator)
    row, col = row[order], col[order]
    return SparseMatrix.from_edges(row, col, dense[row, col], (rows, cols)), dense


def rows_of(size: int, width: int = 3, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, width, generator=generator, dtype=torch.float64)


def test_from_edges_sorts_and_equals_the_dense_matrix() -> None:
    matrix, dense = random_matrix()
    assert torch.equal(matrix.dense(), dense)
    assert matrix.shape == (7, 5) and matrix.nnz == int((dense != 0).sum())
    assert torch.equal(matrix.edge_index(), dense.nonzero().T)  # row-major, ascending columns
    assert torch.equal(matrix.csr.to_dense(), dense)
    torch.testing.assert_close(matrix.row_sum(), dense.sum(1))


def test_from_edges_sums_duplicates_and_defaults_to_ones() -> None:
    row, col = torch.tensor([1, 0, 1, 1]), torch.tensor([2, 0, 2, 1])
    matrix = SparseMatrix.from_edges(row, col, None, (2, 3))
    assert matrix.dense().tolist() == [[1, 0, 0], [0, 1, 2]]
    assert matrix.nnz == 3


def test_no_edges() -> None:
    none = torch.empty(0, dtype=torch.int64)
    matrix = SparseMatrix.from_edges(none, none, None, (2, 3))
    assert (matrix @ torch.ones(3, 4)).tolist() == [[0.0] * 4] * 2
    assert matrix.t.shape == (3, 2)


def test_product_and_gradient_equal_dense() -> None:
    matrix, dense = random_matrix()
    x = rows_of(5).requires_grad_()
    torch.testing.assert_close(matrix @ x, dense @ x)
    assert torch.autograd.gradcheck(lambda x: matrix @ x, (x,))


def test_gradient_of_a_sum_is_the_column_sum() -> None:
    """``sum()`` sends back an expanded tensor with stride 0, which sparse products refuse."""
    matrix, dense = random_matrix()
    x = rows_of(5).requires_grad_()
    (matrix @ x).sum().backward()
    torch.testing.assert_close(x.grad, dense.sum(0).unsqueeze(1).expand(5, 3))


def test_transpose() -> None:
    matrix, dense = random_matrix()
    assert torch.equal(matrix.t.dense(), dense.T)
    assert matrix.t is matrix.t and matrix.t.t is matrix


def test_symmetric_matrix_is_its_own_transpose_in_the_backward_pass() -> None:
    matrix, dense = random_matrix(6, 6)
    both = dense + dense.T
    row, col = both.nonzero().T
    matrix = SparseMatrix.from_edges(row, col, both[row, col], (6, 6), symmetric=True)
    assert matrix.t is matrix
    assert torch.autograd.gradcheck(lambda x: matrix @ x, (rows_of(6).requires_grad_(),))


def test_block_is_the_dense_block() -> None:
    matrix, dense = random_matrix()
    block = matrix.block(slice(1, 6), slice(2, None))
    assert torch.equal(block.dense(), dense[1:6, 2:])


def test_with_values_keeps_the_pattern() -> None:
    matrix, dense = random_matrix()
    doubled = matrix.with_values(2 * matrix.value)
    assert torch.equal(doubled.dense(), 2 * dense)
    assert torch.equal(matrix.dense(), dense)


def test_product_that_is_differentiable_in_the_values() -> None:
    matrix, dense = random_matrix()
    value, x = matrix.value.clone().requires_grad_(), rows_of(5).requires_grad_()
    weight = rows_of(7, seed=2)
    (spmm_values(matrix, value, x) * weight).sum().backward()
    full, y = dense.clone().requires_grad_(), x.detach().clone().requires_grad_()
    ((full @ y) * weight).sum().backward()
    assert full.grad is not None
    torch.testing.assert_close(value.grad, full.grad[matrix.row, matrix.col])
    torch.testing.assert_close(x.grad, y.grad)
    assert torch.autograd.gradcheck(lambda v, x: spmm_values(matrix, v, x), (value, x))


@pytest.mark.parametrize("wanted", ["values", "rows"])
def test_only_the_wanted_gradient_is_computed(wanted: str) -> None:
    matrix, _ = random_matrix()
    value, x = matrix.value.clone(), rows_of(5)
    (value if wanted == "values" else x).requires_grad_()
    spmm_values(matrix, value, x).sum().backward()
    assert (value.grad is None) == (wanted == "rows")
    assert (x.grad is None) == (wanted == "values")


def test_agrees_with_edge_index_of_pyg() -> None:
    matrix, dense = random_matrix(dtype=torch.float32)
    other = EdgeIndex(matrix.edge_index(), sparse_size=matrix.shape, sort_order="row")
    x = rows_of(5).float()
    torch.testing.assert_close(matrix @ x, other.matmul(x, matrix.value))
    torch.testing.assert_close(matrix.t @ (dense @ x), dense.T @ (dense @ x))


def test_agrees_with_light_gcn_convolution_of_pyg() -> None:
    generator = torch.Generator().manual_seed(3)
    user, item = (torch.rand(6, 8, generator=generator) < 0.4).nonzero().T
    edges = torch.cat([torch.stack([user, item + 6]), torch.stack([item + 6, user])], dim=1)
    degree = edges[0].bincount(minlength=14).float()
    value = (degree[edges[0]] * degree[edges[1]]).rsqrt()
    matrix = SparseMatrix.from_edges(edges[0], edges[1], value, (14, 14), symmetric=True)
    x = torch.randn(14, 4, generator=generator)
    torch.testing.assert_close(matrix @ x, LGConv()(x, edges))


def test_moves_with_the_graph_and_keeps_its_symmetry() -> None:
    matrix, dense = random_matrix(6, 6)
    matrix = matrix.with_values(matrix.value, symmetric=True)
    data = HeteroData()
    data.operator = matrix
    moved = data.to("meta").operator
    assert moved.value.is_meta and moved.crow.is_meta and moved.col.is_meta
    assert moved.symmetric and moved.shape == matrix.shape
    assert torch.equal(matrix.to(torch.float32).dense(), dense.float())


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_can_be_copied_and_pickled_after_use(duplicate) -> None:
    matrix, dense = random_matrix()
    x = rows_of(5).requires_grad_()
    (matrix @ x).sum().backward()
    other = duplicate(matrix)
    assert torch.equal(other.dense(), dense) and other.value is not matrix.value
    torch.testing.assert_close(other @ x, dense @ x)


def test_repr_names_the_shape() -> None:
    matrix, _ = random_matrix()
    assert repr(matrix) == f"SparseMatrix(shape=(7, 5), nnz={matrix.nnz}, symmetric=False)"


def test_row_entries_are_those_of_the_dense_rows() -> None:
    matrix, dense = random_matrix(rows=9, cols=6, seed=3)
    rows = torch.tensor([4, 0, 4, 8])
    place, col = row_entries(matrix.crow, matrix.col, rows)
    assert torch.equal(torch.stack([place, col]), dense[rows].nonzero().T)


def test_place_in_group_counts_from_zero_in_each_group() -> None:
    assert place_in_group(torch.tensor([0, 0, 2, 2, 2, 5])).tolist() == [0, 1, 0, 1, 2, 0]
