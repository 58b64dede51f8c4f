"""Linear message passing: products with one sparse matrix and a readout over the layers."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import Module

from mrdib_graph.errors import ConfigError
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

    Raises:
        ConfigError: ``num_layers`` is negative or the readout unknown.
    """

    def __init__(self, num_layers: int, readout: Readout = "mean") -> None:
        super().__init__()
        if num_layers < 0:
            raise ConfigError(f"num_layers: got {num_layers}, expected 0 or more")
        if readout not in ("mean", "sum", "last"):
            raise ConfigError(f"readout: got {readout!r}, expected mean, sum or last")
        self.num_layers = num_layers
        self.readout = readout

    def forward(self, x: Tensor, graph: SparseMatrix) -> Tensor:
        """Propagate x over the graph."""
        total = x
        for _ in range(self.num_layers):
            x = graph @ x
            if self.readout != "last":
                total = total + x
        if self.readout == "last":
            return x
        return total / (self.num_layers + 1) if self.readout == "mean" else total

    def extra_repr(self) -> str:
        """Options shown by ``print``."""
        return f"num_layers={self.num_layers}, readout={self.readout!r}"
