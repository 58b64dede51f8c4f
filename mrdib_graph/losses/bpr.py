"""Bayesian personalised ranking."""

from __future__ import annotations

import math
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from mrdib_graph.losses.pair_scores import PairScores
from mrdib_graph.losses.ranking import RankingLoss


class BPRLoss(RankingLoss):
    r"""Bayesian personalised ranking, from `"BPR: Bayesian Personalized Ranking from Implicit
    Feedback" <https://arxiv.org/abs/1205.2618>`_.

    .. math::
        L = -\frac{1}{B n} \sum_{b, j} \log \sigma(s_{b} - s_{b j})

    From 0 up, ln 2 where nothing is known; in nats for each pair, at most one bit of which an
    observed item can tell.  Costs B n values.

    Args:
        log2: Use the base-2 logarithm (the loss divided by ln 2), as some releases do.
    """

    nats: ClassVar[bool] = True

    def __init__(self, log2: bool = False) -> None:
        super().__init__()
        self.scale = 1 / math.log(2) if log2 else 1.0

    def forward(self, scores: PairScores) -> Tensor:
        """Mean loss over all pairs."""
        return scores.mean(F.softplus(scores.negative - scores.positive.unsqueeze(-1))) * self.scale
