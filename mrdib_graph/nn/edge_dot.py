"""Inner products of the two ends of each edge, without a copy of the rows for every edge."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mrdib_graph.sparse import SparseMatrix, in_float32


@in_float32
def edge_dot(pattern: SparseMatrix, x: Tensor, y: Tensor) -> Tensor:
    r"""Scores :math:`s_{ij} = \langle x_i, y_j \rangle` on the stored entries of a pattern.

    With G(g) the pattern with the values :math:`g = \partial L / \partial s`, the gradients are the
    sparse products :math:`G(g)\, y` and :math:`G(g)^\top x`, so no [nnz, d] tensor is formed: that
    is what makes it tens of times as fast as gathering the rows.

    Shapes:
        ``x`` [n, d], ``y`` [m, d], ``pattern`` [n, m] -> [nnz], in the order of ``pattern``.
    """
    out: Tensor = _EdgeDot.apply(x, y, pattern)  # type: ignore[no-untyped-call]
    return out


class _EdgeDot(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, pattern: SparseMatrix) -> Tensor:
        ctx.save_for_backward(x, y)
        ctx.pattern = pattern
        zeros = pattern.with_values(x.new_zeros(pattern.nnz)).csr
        products: Tensor = torch.sparse.sampled_addmm(zeros, x.contiguous(), y.contiguous().t())
        return products.values()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, y = ctx.saved_tensors
        weighted = ctx.pattern.with_values(grads[0].contiguous())
        grad_x = weighted @ y if ctx.needs_input_grad[0] else None
        grad_y = weighted.t @ x if ctx.needs_input_grad[1] else None
        return grad_x, grad_y, None
