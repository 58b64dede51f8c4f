"""Feature rows to the embedding width, for all items or for the rows of a batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Linear, Module


class Projection(Module):
    r"""A linear map of raw features, :math:`x W + b`, evaluated only where it is needed.

    Projecting only the rows of the batch gives the same gradients as projecting every item; it is
    used where the batch is smaller than the catalogue.

    Args:
        in_channels: d_m, raw width.
        out_channels: d, embedding width.
        bias: Whether there is a b.

    Shapes:
        ``x`` [I, d_m] and ``index`` [n] or None -> [n, d] or [I, d].
    """

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__()
        self.linear = Linear(in_channels, out_channels, bias=bias)

    def forward(self, x: Tensor, index: Tensor | None = None) -> Tensor:
        """Project all rows, or the rows at ``index``."""
        if index is None:
            out: Tensor = self.linear(x.to(self.linear.weight.dtype))
            return out
        if index.numel() >= x.size(0):
            return torch.index_select(self(x), 0, index)
        projected: Tensor = self(x[index])
        return projected
