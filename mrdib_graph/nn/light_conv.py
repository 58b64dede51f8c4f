"""Linear message passing: products with one sparse matrix and a readout over the layers."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import Module

from mrdib_graph.options import NonNegativeInt, checked
from mrdib_graph.sparse import SparseMatrix

Readout = Literal["mean", "sum", "last"]


class LightConv(Module):
    r"""LightGCN's propagation, from `"LightGCN: Simplifying and Powering Graph Convolution Network
    for Recommendation" <https://arxiv.org/abs/2002.02126>`_.

    .. math::
        E^{(l)} = G E^{(l-1)}, \qquad
        E = \frac{1}{L + 1} \sum_{l=0}^{L} E^{(l)} \text{ (mean)}, \quad
        \sum_{l=0}^{L} E^{(l)} \text{ (sum)} \quad \text{or} \quad E^{(L)} \text{ (last)}

    Args:
        num_layers: L; 0 returns the input.
        readout: How layers are combined.

    Shapes:
        ``x`` [N, d], ``graph`` [N, N] -> [N, d].
    """

    @checked
    def __init__(self, num_layers: NonNegativeInt, readout: Readout = "mean") -> None:
        super().__init__()
        self.num_layers = num_layers
        self.readout = readout

    def forward(self, x: Tensor, graph: SparseMatrix) -> Tensor:
        """Propagate x over the graph."""
        out: Tensor = _Propagate.apply(x, graph, self.num_layers, self.readout)  # type: ignore[no-untyped-call]
        return out

    def extra_repr(self) -> str:
        """Options shown by ``print``."""
        return f"num_layers={self.num_layers}, readout={self.readout!r}"


class _Propagate(torch.autograd.Function):
    """All layers and their readout: on large tables the sums cost as much as a product."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, graph: SparseMatrix, num_layers: int, readout: Readout
    ) -> Tensor:
        ctx.graph, ctx.num_layers, ctx.readout = graph, num_layers, readout
        if readout == "last" or not num_layers:
            for _ in range(num_layers):
                x = graph @ x
            return x.view_as(x)
        layer = graph @ x
        total = x + layer
        for _ in range(num_layers - 1):
            layer = graph @ layer
            total += layer
        return total.div_(num_layers + 1) if readout == "mean" else total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        if ctx.readout == "mean":
            grad = grad / (ctx.num_layers + 1)
        total = grad
        for _ in range(ctx.num_layers):
            total = ctx.graph.t @ total
            if ctx.readout != "last":
                total += grad
        return total, None, None, None
