"""What modalities have in common, by attention."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Linear, Module


class AttentionFuser(Module):
    r"""Attention over modalities, row by row, from `"Multi-View Graph Convolutional Network for
    Multimedia Recommendation" <https://arxiv.org/abs/2308.03588>`_.

    .. math::
        t = \mathrm{softmax}_m\big(v^\top \tanh(W e_m + b)\big), \qquad c = \sum_m t_m e_m

    W, b and v are shared by the modalities.

    Args:
        embedding_dim: d.

    Shapes:
        ``e`` [n, M, d] -> common part [n, d] and weights [n, M].
    """

    def __init__(self, embedding_dim: int) -> None:
        super().__init__()
        self.hidden = Linear(embedding_dim, embedding_dim)
        self.score = Linear(embedding_dim, 1, bias=False)

    def forward(self, e: Tensor) -> tuple[Tensor, Tensor]:
        """The common part and the weights."""
        weights: Tensor = self.score(torch.tanh(self.hidden(e))).squeeze(-1).softmax(-1)
        return (weights.unsqueeze(-1) * e).sum(1), weights
