"""Item IDs, gated by what the content says."""

from __future__ import annotations

from torch import Tensor
from torch.nn import Linear, Module


class GatedIDs(Module):
    r"""MGCN's behaviour-guided purifier, from `"Multi-View Graph Convolutional Network for
    Multimedia Recommendation" <https://arxiv.org/abs/2308.03588>`_.

    .. math::
        y = q \odot \sigma(W f + b)

    Args:
        embedding_dim: d.

    Shapes:
        ``ids`` and ``content`` [n, d] -> [n, d].
    """

    def __init__(self, embedding_dim: int) -> None:
        super().__init__()
        self.gate = Linear(embedding_dim, embedding_dim)

    def forward(self, ids: Tensor, content: Tensor) -> Tensor:
        """Gate the IDs by the content."""
        gate: Tensor = self.gate(content)
        return ids * gate.sigmoid()
