"""Ranking losses on scores of observed and sampled items."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor
from torch.nn import Module


class BPRLoss(Module):
    r"""Bayesian personalised ranking, from `"BPR: Bayesian Personalized Ranking from Implicit
    Feedback" <https://arxiv.org/abs/1205.2618>`_.

    .. math::
        L = -\frac{1}{B n} \sum_{b, j} \log \sigma(s_{b} - s_{b j})

    Args:
        log2: Use the base-2 logarithm (the loss divided by ln 2), as some releases do.

    Shapes:
        ``pos_score`` [B], ``neg_score`` [B, n] -> [], in nats (bits with ``log2``).
    """

    def __init__(self, log2: bool = False) -> None:
        super().__init__()
        self.scale = 1 / math.log(2) if log2 else 1.0

    def forward(self, pos_score: Tensor, neg_score: Tensor) -> Tensor:
        """Mean loss over all pairs."""
        return F.softplus(neg_score - pos_score.unsqueeze(-1)).mean() * self.scale
