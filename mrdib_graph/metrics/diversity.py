"""How different in content the items of a list are."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mrdib_graph.metrics.metric import Metric
from mrdib_graph.metrics.ranking import Ranking

_CACHED = 2**22
"""Numbers of a block of summed feature rows."""


class Diversity(Metric):
    r"""Mean distance in content of two items of a user's list, over all pairs.

    With the cosine of the content-cosine baseline, the mean over modalities,

    .. math::
        \text{Diversity@}k = 1 - \frac{2}{k (k - 1)} \sum_{i < j \in L_u}
                             \frac1M \sum_m \cos(x_{m,i}, x_{m,j})

    where the cosine with an item that lacks the modality is 0.  A list of fewer than two items is
    0.  Pairs are summed as :math:`\lVert \sum_i \hat x_i \rVert^2 - \sum_i \lVert \hat x_i
    \rVert^2`, in the time of k rows.  Source: Ziegler et al., "Improving Recommendation Lists
    Through Topic Diversification", 2005.
    """

    reads = ("lists", "features")
    limits = (0.0, 2.0)

    def compute(self, ranking: Ranking) -> Tensor:
        """Values [n] of the users of a ranking."""
        top = ranking.lists[:, : self.k]
        filled = top >= 0
        size = filled.sum(1)
        twice = torch.zeros(size.numel(), dtype=torch.float64)  # cosines of ordered pairs, summed
        for x in ranking.features:
            own = x.square().sum(1)
            step = max(1, _CACHED // x.size(1))
            for start in range(0, size.numel(), step):
                rows = slice(start, start + step)
                first = size[rows].cumsum(0) - size[rows]  # where each user's items begin
                total = F.embedding_bag(top[rows][filled[rows]], x, first, mode="sum")
                twice[rows] += total.square().sum(1).double()
            twice -= (own.double()[top.clamp(min=0)] * filled).sum(1)
        pairs = (size * (size - 1)).double()
        mean_cosine = twice / pairs.clamp(min=1) / len(ranking.features)
        return torch.where(pairs > 0, 1.0 - mean_cosine.clamp(-1.0, 1.0), 0.0)
