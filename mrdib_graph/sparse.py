"""Sparse operators: sorted once into CSR, multiplied many times, differentiated without a sort.

``torch_geometric`` layers on a plain ``edge_index`` gather and scatter in every call; a CSR product
is several times faster on a CPU.  The backward pass needs the transpose: a symmetric matrix is its
own, any other keeps a second CSR that is built once.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, Self, TypeVar

import torch
from torch import Tensor

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
warnings.filterwarnings("ignore", message="Sparse invariant checks are implicitly disabled")

_Options = ParamSpec("_Options")
_Result = TypeVar("_Result")


def in_float32(function: Callable[_Options, _Result]) -> Callable[_Options, _Result]:
    """Run a function without ``torch.autocast``, on arguments that are float32 again if halved.

    For kernels that know no bfloat16, sparse ones above all, and for searches whose result
    rounding would change.  Outside autocast it is the function itself.
    """

    @functools.wraps(function)
    def call(*args: _Options.args, **kwargs: _Options.kwargs) -> _Result:
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                with torch.autocast(kind, enabled=False):
                    whole = {name: _float32(value) for name, value in kwargs.items()}
                    return call(*map(_float32, args), **whole)  # type: ignore[arg-type]
        return function(*args, **kwargs)

    return call


def _float32(value: object) -> object:
    if isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16):
        return value.float()
    return value


def row_entries(crow: Tensor, col: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The stored entries of some rows of a CSR matrix [n, m].

    Args:
        crow: Row pointers [n + 1].
        col: Columns, ascending within each row.
        rows: Row numbers [b], in any order.

    Returns:
        Place in ``rows`` and column of each entry, both [nnz], ordered by place and column.
    """
    start = crow[rows]
    count = crow[rows + 1] - start
    place = torch.repeat_interleave(count)
    before = count.cumsum(0) - count
    return place, col[torch.arange(place.numel()) + (start - before)[place]]


class SparseMatrix:
    r"""A constant sparse matrix :math:`G \in \mathbb{R}^{n \times m}` in CSR form.

    ``G @ x`` is differentiable in ``x`` with :math:`\partial L/\partial x = G^\top \partial
    L/\partial (Gx)`.  Values are constants; for a product that is differentiable in the values see
    :func:`spmm_values`.

    Args:
        crow: Row pointers [n + 1].
        col: Column indices [nnz], ascending within each row.
        value: Values [nnz].
        num_cols: m.
        symmetric: Whether the matrix equals its transpose, values included.
    """

    def __init__(
        self, crow: Tensor, col: Tensor, value: Tensor, num_cols: int, symmetric: bool = False
    ) -> None:
        self.crow = crow
        self.col = col
        self.value = value
        self.symmetric = symmetric
        self.shape = (crow.numel() - 1, num_cols)
        self._csr: Tensor | None = None
        self._transpose: SparseMatrix | None = None
        # Row pointers and columns of the transpose, and where its values are found; made once for
        # a pattern, whatever the values.
        self._turned: list[tuple[Tensor, Tensor, Tensor]] = []

    @classmethod
    def from_edges(
        cls,
        row: Tensor,
        col: Tensor,
        value: Tensor | None,
        shape: tuple[int, int],
        symmetric: bool = False,
    ) -> Self:
        """Sort edges into CSR; duplicate edges are summed.

        Shapes:
            ``row``, ``col``, ``value`` [nnz]; ``value`` None means ones.
        """
        if value is None:
            value = torch.ones(row.numel(), device=row.device)
        key = row * shape[1] + col
        order = torch.argsort(key, stable=True)
        key, value = key[order], value[order]
        unique, inverse = torch.unique_consecutive(key, return_inverse=True)
        if unique.numel() < key.numel():
            value = value.new_zeros(unique.numel()).index_add_(0, inverse, value)
        row, col = unique // shape[1], unique % shape[1]
        counts = torch.bincount(row, minlength=shape[0])
        crow = torch.zeros(shape[0] + 1, dtype=torch.int64, device=row.device)
        torch.cumsum(counts, 0, out=crow[1:])
        return cls(crow, col, value, shape[1], symmetric)

    @property
    def nnz(self) -> int:
        """Number of stored values."""
        return self.value.numel()

    @property
    def row(self) -> Tensor:
        """Row index of each stored value [nnz]."""
        rows = torch.arange(self.shape[0], device=self.col.device)
        return rows.repeat_interleave(self.crow.diff(), output_size=self.nnz)

    @property
    def csr(self) -> Tensor:
        """The matrix as a torch sparse CSR tensor, built at the first use."""
        if self._csr is None:
            self._csr = torch.sparse_csr_tensor(
                self.crow, self.col, self.value, self.shape, check_invariants=False
            )
        return self._csr

    @property
    def t(self) -> SparseMatrix:
        """The transpose; a symmetric matrix returns itself."""
        if self.symmetric:
            return self
        if self._transpose is None:
            if not self._turned:
                row = self.row
                order = torch.argsort(self.col * self.shape[0] + row)
                crow = self.crow.new_zeros(self.shape[1] + 1)
                torch.cumsum(torch.bincount(self.col, minlength=self.shape[1]), 0, out=crow[1:])
                self._turned.append((crow, row[order], order))
            crow, col, order = self._turned[0]
            transpose = SparseMatrix(crow, col, self.value[order], self.shape[0])
            transpose._transpose = self
            self._transpose = transpose
        return self._transpose

    def block(self, rows: slice, cols: slice) -> SparseMatrix:
        """The sub-matrix of two contiguous ranges, for example users by items."""
        (r0, r1, _), (c0, c1, _) = rows.indices(self.shape[0]), cols.indices(self.shape[1])
        row, col = self.row, self.col
        keep = (row >= r0) & (row < r1) & (col >= c0) & (col < c1)
        return SparseMatrix.from_edges(
            row[keep] - r0, col[keep] - c0, self.value[keep], (r1 - r0, c1 - c0)
        )

    def with_values(self, value: Tensor, symmetric: bool = False) -> SparseMatrix:
        """The same pattern with other values [nnz]."""
        matrix = SparseMatrix(self.crow, self.col, value, self.shape[1], symmetric)
        matrix._turned = self._turned
        return matrix

    def row_sum(self) -> Tensor:
        """Sum of the values of each row [n]."""
        return self.value.new_zeros(self.shape[0]).index_add_(0, self.row, self.value)

    def dense(self) -> Tensor:
        """The matrix as a dense tensor [n, m]: for tests and small examples only."""
        out = self.value.new_zeros(self.shape)
        out[self.row, self.col] = self.value
        return out

    def edge_index(self) -> Tensor:
        """Row and column indices [2, nnz], in row order."""
        return torch.stack([self.row, self.col])

    def to(self, *args: Any, **kwargs: Any) -> SparseMatrix:
        """Move to a device; called by ``HeteroData.to``."""
        value = self.value.to(*args, **kwargs)
        moved = SparseMatrix(
            self.crow.to(value.device), self.col.to(value.device), value, self.shape[1]
        )
        moved.symmetric = self.symmetric
        return moved

    @in_float32
    def __matmul__(self, x: Tensor) -> Tensor:
        """``G @ x`` for x [m, d], differentiable in x."""
        out: Tensor = _SpMM.apply(x, self)  # type: ignore[no-untyped-call]
        return out

    def __getstate__(self) -> dict[str, Any]:
        """Without the derived operators: torch cannot copy sparse CSR tensors."""
        return {**self.__dict__, "_csr": None, "_transpose": None, "_turned": []}

    def __repr__(self) -> str:
        """Shape and number of stored values."""
        return f"SparseMatrix(shape={self.shape}, nnz={self.nnz}, symmetric={self.symmetric})"


def _product(matrix: SparseMatrix, x: Tensor) -> Tensor:
    """G x without a gradient; on the CPU by a kernel that is 2 to 5 times as fast as ``@``."""
    x = x.contiguous()
    return torch.sparse.mm(matrix.csr, x, "sum") if x.is_cpu else matrix.csr @ x


class _SpMM(torch.autograd.Function):
    """``G @ x`` with the transpose of G in the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: SparseMatrix) -> Tensor:
        ctx.matrix = matrix
        return _product(matrix, x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, None]:
        return _product(ctx.matrix.t, grads[0]), None


class _SpMMValues(torch.autograd.Function):
    """``G(value) @ x``, differentiable in x and in the values."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, value: Tensor, pattern: SparseMatrix) -> Tensor:
        matrix = pattern.with_values(value.detach())
        ctx.save_for_backward(x)
        ctx.matrix = matrix
        return _product(matrix, x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (x,) = ctx.saved_tensors
        grad = grads[0].contiguous()
        matrix: SparseMatrix = ctx.matrix
        grad_x = _product(matrix.t, grad) if ctx.needs_input_grad[0] else None
        grad_value = None
        if ctx.needs_input_grad[1]:
            zeros = matrix.with_values(torch.zeros_like(matrix.value)).csr
            grad_value = torch.sparse.sampled_addmm(zeros, grad, x.contiguous().t()).values()
        return grad_x, grad_value, None


def place_in_group(group: Tensor) -> Tensor:
    """Place from 0 of each entry among those of its group; ``group`` [n] int64 ascends."""
    count = torch.bincount(group)
    return torch.arange(group.numel(), device=group.device) - (count.cumsum(0) - count)[group]


@in_float32
def spmm_values(pattern: SparseMatrix, value: Tensor, x: Tensor) -> Tensor:
    r"""Product :math:`G(v)\,x` that is differentiable in the edge values too.

    :math:`\partial L/\partial v_{ij} = \langle (\partial L/\partial y)_i, x_j \rangle` for the
    stored entries only, so no dense matrix is formed.

    Shapes:
        ``value`` [nnz] in the order of ``pattern``, ``x`` [m, d] -> [n, d].
    """
    out: Tensor = _SpMMValues.apply(x, value, pattern)  # type: ignore[no-untyped-call]
    return out
