"""Ranking losses on scores of observed and sampled items."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch.nn.functional as F
from torch import Tensor
from torch.nn import Module


class RankingLoss(Module, ABC):
    """What the scores of observed items should be beside those of sampled ones.

    One of your own is this class and one method; it serves for every ranking term: that of the
    fused score, and of each code alone.

    Shapes:
        ``pos_score`` [B], ``neg_score`` [B, n] -> [], a mean over the B rows.
    """

    @abstractmethod
    def forward(self, pos_score: Tensor, neg_score: Tensor) -> Tensor:
        """The loss [] of observed items [B] beside the n items sampled for each [B, n]."""


class BPRLoss(RankingLoss):
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
