"""Decoders of the unique term: a modality's code, alone, must predict the target."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import Linear, Module, init

from mrdib_graph.options import Count, checked


class RankingDecoder(Module):
    r"""Maps the code before it scores: :math:`D_m(z)`, a decoder of the modality's own.

    Args:
        embedding_dim: d.
        kind: ``'none'``: :math:`D(z) = z`, so the code scores by itself; ``'linear'``:
            :math:`D(z) = z W`, W starting at the identity.

    Shapes:
        [n, d] -> [n, d].
    """

    @checked
    def __init__(self, embedding_dim: Count, kind: Literal["none", "linear"] = "none") -> None:
        super().__init__()
        self.linear = Linear(embedding_dim, embedding_dim, bias=False) if kind == "linear" else None
        if self.linear is not None:
            init.eye_(self.linear.weight)

    def forward(self, z: Tensor) -> Tensor:
        """Decode."""
        return z if self.linear is None else self.linear(z)
