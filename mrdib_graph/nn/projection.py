"""Feature rows to the embedding width, for all items or for the rows of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import Linear, Module, Parameter

_BLOCK_VALUES = {"cpu": 2**19}  # 2 MiB of float32: what is gathered is still in the cache
_BLOCK_VALUES_ELSEWHERE = 2**26  # 256 MiB: few launches


class Projection(Module):
    r"""A linear map of raw features, :math:`(x + \Delta) W + b`, evaluated only where needed.

    Projecting only the rows of the batch gives the same gradients as projecting every item.  The
    sizes decide: fewer rows than the catalogue has are gathered block by block, each block is
    multiplied while it is in the processor's cache, and gathered again in the backward pass; as
    many or more are read off the product with the whole table.  Neither copies the rows as a whole.

    Features may be stored in a lower precision than the weights, bfloat16 for half the memory.  The
    product is computed in the type of the weights, on rows that are widened block by block, and is
    therefore that of the widened table.  Under ``torch.autocast`` both factors are rounded to its
    type, and sums are kept in float32 in each block.  The result has the type of the weights.

    Args:
        in_channels: d_m, raw width.
        out_channels: d, embedding width.
        bias: Whether there is a b.
        trained_rows: I, where the raw features are trained too, as several releases do; 0 leaves
            them as they are.  :math:`\Delta` [I, d_m] starts at 0, so under an optimizer without
            weight decay it moves exactly as a trained copy of the features would.

    Shapes:
        ``x`` [I, d_m] and ``index`` [n] or None -> [n, d] or [I, d].
    """

    def __init__(
        self, in_channels: int, out_channels: int, bias: bool = True, trained_rows: int = 0
    ) -> None:
        super().__init__()
        self.linear = Linear(in_channels, out_channels, bias=bias)
        self.delta: Parameter | None = None
        if trained_rows:
            self.delta = Parameter(torch.zeros(trained_rows, in_channels))

    def forward(self, x: Tensor, index: Tensor | None = None) -> Tensor:
        """Project all rows, or the rows at ``index``."""
        weight, bias = self.linear.weight, self.linear.bias
        if index is not None and index.numel() >= x.size(0):
            return torch.index_select(self(x), 0, index)
        dtype = weight.dtype
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
        if self.delta is None and not x.requires_grad and (index is not None or x.dtype != dtype):
            rows: Tensor = _BlockProduct.apply(x, index, weight, dtype)  # type: ignore[no-untyped-call]
            return rows if bias is None else rows + bias
        x = (x if index is None else x.index_select(0, index)).to(weight.dtype)
        if self.delta is not None:
            x = x + (self.delta if index is None else self.delta[index])
        projected: Tensor = self.linear(x).to(weight.dtype)
        return projected


class _BlockProduct(torch.autograd.Function):
    """``x[index] @ weight.T`` in a type, differentiable in the weight: [n, d_m], [d, d_m]."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, index: Tensor | None, weight: Tensor, dtype: torch.dtype
    ) -> Tensor:
        ctx.save_for_backward(x, index)
        ctx.dtype = dtype
        count = x.size(0) if index is None else index.numel()
        out, turned = weight.new_empty(count, weight.size(0)), weight.to(dtype).T
        for rows, block in _blocks(x, index, dtype):
            out[rows] = block @ turned
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[None, None, Tensor, None]:
        x, index = ctx.saved_tensors
        of_weight, turned = grad.new_zeros(grad.size(1), x.size(1)), grad.to(ctx.dtype).T
        for rows, block in _blocks(x, index, ctx.dtype):
            of_weight += turned[:, rows] @ block
        return None, None, of_weight, None


def _blocks(x: Tensor, index: Tensor | None, dtype: torch.dtype) -> Iterator[tuple[slice, Tensor]]:
    """Slices that cover ``index``, or the rows of ``x`` for None, and these rows in a type."""
    values = _BLOCK_VALUES.get(x.device.type, _BLOCK_VALUES_ELSEWHERE)
    count, size = x.size(0) if index is None else index.numel(), max(1, values // x.size(1))
    for start in range(0, count, size):
        rows = slice(start, start + size)
        block = x[rows] if index is None else x.index_select(0, index[rows])
        yield rows, block.to(dtype)
