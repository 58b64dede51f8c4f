"""Cosine contrastive loss."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from mrdib_graph.losses.pair_scores import PairScores
from mrdib_graph.losses.ranking import RankingLoss
from mrdib_graph.options import NonNegative, Share, checked


class CCLLoss(RankingLoss):
    r"""Cosines of observed items towards 1, of others below a margin, from `"SimpleX: A Simple and
    Strong Baseline for Collaborative Filtering" <https://arxiv.org/abs/2109.12613>`_.

    .. math::
        L = \frac1B \sum_b \Bigl( 1 - \cos(u_b, i_b) + \frac{w}{n} \sum_j
        \max(0, \cos(u_b, i_{bj}) - m) \Bigr)

    From 0 to :math:`2 + w (1 - m)`; no likelihood, so not in nats.  Costs B n values.

    Args:
        negative_weight: w.
        margin: m.

    Raises:
        ConfigError: A value is out of range.
    """

    negatives: ClassVar[str] = "shared"
    cosine = True

    @checked
    def __init__(self, negative_weight: NonNegative = 150.0, margin: Share = 0.4) -> None:
        super().__init__()
        self.negative_weight = negative_weight
        self.margin = margin

    def forward(self, scores: PairScores) -> Tensor:
        """Mean over the observed items."""
        others = scores.mean(F.relu(scores.negative - self.margin))
        return scores.mean_positive(1 - scores.positive) + self.negative_weight * others
