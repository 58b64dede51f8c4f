"""Alignment and uniformity."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from mrdib_graph.losses.pair_scores import PairScores
from mrdib_graph.losses.ranking import RankingLoss
from mrdib_graph.options import NonNegative, checked


class DirectAULoss(RankingLoss):
    r"""Observed pairs close, all users and all items spread over the sphere, from `"Towards
    Representation Alignment and Uniformity in Collaborative Filtering"
    <https://arxiv.org/abs/2206.12811>`_.

    With unit rows :math:`\tilde u, \tilde \imath`,

    .. math::
        L = \frac1B \sum_b \lVert \tilde u_b - \tilde \imath_b \rVert^2 + \frac{\gamma}{2}
        \sum_{x \in \{u, i\}} \log \operatorname*{mean}_{b < c}
        e^{-2 \lVert \tilde x_b - \tilde x_c \rVert^2}

    From :math:`-8 \gamma` to 4; no likelihood, so not in nats.  It reads no negatives (those that
    are sampled serve a backbone's own terms).  Costs :math:`2 B^2` values.

    Args:
        gamma: :math:`\gamma`, of uniformity.

    Raises:
        ConfigError: The weight is negative; at the call: the scores are sums, which have no rows.
    """

    reads_rows: ClassVar[bool] = True
    cosine = True

    @checked
    def __init__(self, gamma: NonNegative = 1.0) -> None:
        super().__init__()
        self.gamma = gamma

    def forward(self, scores: PairScores) -> Tensor:
        """Of the observed pairs of a batch."""
        rows = self.rows_of(scores)
        alignment = scores.mean_positive((rows.user - rows.positive).square().sum(-1))
        items = rows.positive if scores.present is None else rows.positive[scores.present]
        return alignment + self.gamma * (uniformity(rows.user) + uniformity(items)) / 2


def uniformity(x: Tensor) -> Tensor:
    r"""Log of the mean of :math:`e^{-2 \lVert x_b - x_c \rVert^2}` over pairs of unit rows.

    Shapes:
        [n, w] -> []; 0 for fewer than two rows.
    """
    size = x.size(0)
    if size < 2:
        return x.sum() * 0.0
    exponent = (4 * (x @ x.T) - 4).masked_fill(
        torch.eye(size, dtype=torch.bool, device=x.device), -torch.inf
    )
    return exponent.flatten().logsumexp(0) - math.log(size * (size - 1))
