"""Binary cross-entropy."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from mrdib_graph.losses.pair_scores import PairScores
from mrdib_graph.losses.ranking import RankingLoss
from mrdib_graph.options import NonNegative, checked


class BCELoss(RankingLoss):
    r"""Each pair is observed or not, from `"Neural Collaborative Filtering"
    <https://arxiv.org/abs/1708.05031>`_.

    .. math::
        L = -\frac1B \sum_b \Bigl( \log \sigma(s_b) + \frac{w}{n} \sum_j \log \sigma(-s_{bj})
        \Bigr)

    From 0 up, :math:`(1 + w) \ln 2` where nothing is known; in nats.  Costs B n values.

    Args:
        negative_weight: w, of the others together beside one observed item.

    Raises:
        ConfigError: The weight is negative.
    """

    negatives: ClassVar[str] = "shared"
    nats: ClassVar[bool] = True

    @checked
    def __init__(self, negative_weight: NonNegative = 1.0) -> None:
        super().__init__()
        self.negative_weight = negative_weight

    def forward(self, scores: PairScores) -> Tensor:
        """Mean over the observed items."""
        observed = scores.mean_positive(F.softplus(-scores.positive))
        return observed + self.negative_weight * scores.mean(F.softplus(scores.negative))
