"""How the recommendations of all users together spread over the items: one value of the set."""

from __future__ import annotations

import torch
from torch import Tensor

from mrdib_graph.metrics.metric import Metric
from mrdib_graph.metrics.ranking import Ranking


class Coverage(Metric):
    r"""Share of the candidate items that are recommended to anyone.

    .. math:: \text{Coverage@}k = \frac1I \Big|\bigcup_u L_u\Big|
    """

    reads = ("lists",)
    of_set = True

    def compute(self, ranking: Ranking) -> Tensor:
        """The value [] of the users of a ranking."""
        return (ranking.counts(self.k) > 0).sum().double() / ranking.num_candidates


class Gini(Metric):
    r"""Gini coefficient of how often each candidate item is recommended.

    With the numbers of recommendations :math:`c_{(1)} \le \dots \le c_{(I)}`,

    .. math:: \text{Gini@}k = \frac{\sum_i (2 i - I - 1)\, c_{(i)}}{I \sum_i c_{(i)}}

    0: all items equally often; near 1: a few items take all places.
    """

    reads = ("lists",)
    of_set = True
    greater_is_better = False

    def compute(self, ranking: Ranking) -> Tensor:
        """The value [] of the users of a ranking."""
        size = ranking.num_candidates
        count = ranking.counts(self.k).double().sort().values[-size:]  # no candidate, no count
        weight = 2 * torch.arange(1, size + 1, dtype=torch.float64) - size - 1
        return (weight * count).sum() / (size * count.sum().clamp(min=1))


class Personalisation(Metric):
    r"""How little two users' lists overlap: 1 less the mean overlap over all pairs of users.

    An item that :math:`c_i` of :math:`U` users get is shared by :math:`c_i (c_i - 1) / 2` pairs, so
    the mean over pairs needs the counts alone:

    .. math::
        \text{Personalisation@}k
          = 1 - \frac{2}{U (U - 1)} \sum_{u < v} \frac{|L_u \cap L_v|}{k}
          = 1 - \frac{\sum_i c_i (c_i - 1)}{k\, U (U - 1)}

    k is the number of ranked items where that is smaller.  A single user is 0.  Source: Zhou et
    al., "Solving the apparent diversity-accuracy dilemma of recommender systems", arXiv 0808.2670.
    """

    reads = ("lists",)
    of_set = True

    def compute(self, ranking: Ranking) -> Tensor:
        """The value [] of the users of a ranking."""
        users, k = ranking.lists.size(0), min(self.k, ranking.lists.size(1))
        count = ranking.counts(k)
        if users < 2:
            return torch.zeros((), dtype=torch.float64)
        return 1 - (count * (count - 1)).sum().double() / (k * users * (users - 1))
