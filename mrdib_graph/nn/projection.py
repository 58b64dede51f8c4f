"""Feature rows to the embedding width, for all items or for the rows of a batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Linear, Module, Parameter


class Projection(Module):
    r"""A linear map of raw features, :math:`(x + \Delta) W + b`, evaluated only where needed.

    Projecting only the rows of the batch gives the same gradients as projecting every item; it is
    used where the batch is smaller than the catalogue.

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
        dtype = self.linear.weight.dtype
        if index is not None and index.numel() >= x.size(0):
            return torch.index_select(self(x), 0, index)
        x = (x if index is None else x[index]).to(dtype)
        if self.delta is not None:
            x = x + (self.delta if index is None else self.delta[index])
        projected: Tensor = self.linear(x)
        return projected
