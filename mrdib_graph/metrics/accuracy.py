r"""How many held-out items the first k places hold, and how high up they stand.

For a user with :math:`m` held-out items and hits :math:`h_j \in \{0, 1\}` at rank :math:`j`.  The
ideal order in NDCG is that of all the user's held-out items, not of the hits that were retrieved.

``torch_geometric.metrics`` agrees on all six: its ``LinkPredMAP`` divides by :math:`\min(k, m)`
too.  It computes in float32 and returns means only, the paired tests need the values of every user
in float64.

A user without a held-out item is 0.  ``k`` may exceed the number of ranked items.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mrdib_graph.metrics.metric import Metric
from mrdib_graph.metrics.ranking import Ranking


class Recall(Metric):
    r"""Share of the held-out items that stand in the first k places.

    .. math:: \text{Recall@}k = \tfrac{1}{m} \textstyle\sum_{j \le k} h_j
    """

    def compute(self, ranking: Ranking) -> Tensor:
        """Values [n] of the users of a ranking."""
        return ranking.hits[:, : self.k].sum(1).double() / ranking.num_positives.clamp(min=1)


class Precision(Metric):
    r"""Share of the first k places that held-out items take.

    .. math:: \text{Precision@}k = \tfrac{1}{k} \textstyle\sum_{j \le k} h_j
    """

    def compute(self, ranking: Ranking) -> Tensor:
        """Values [n] of the users of a ranking."""
        return ranking.hits[:, : self.k].sum(1).double() / self.k


class NDCG(Metric):
    r"""Normalised discounted cumulative gain with binary relevance.

    .. math:: \text{NDCG@}k = \frac{\sum_{j \le k} h_j / \log_2(j + 1)}
                                   {\sum_{j \le \min(k, m)} 1 / \log_2(j + 1)}
    """

    def compute(self, ranking: Ranking) -> Tensor:
        """Values [n] of the users of a ranking."""
        hits = ranking.hits
        ranks = torch.arange(1, self.k + 1, dtype=torch.float64, device=hits.device)
        discount = 1.0 / torch.log2(ranks + 1.0)
        row, rank = hits[:, : self.k].nonzero(as_tuple=True)
        gain = _zeros(hits).index_add_(0, row, discount[rank])
        ideal = discount.cumsum(0)
        return gain / ideal[ranking.num_positives.clamp(min=1, max=self.k) - 1]


class MAP(Metric):
    r"""Mean average precision: of the reachable hits, the precision at the rank of each.

    .. math:: \text{MAP@}k = \tfrac{1}{\min(k, m)} \textstyle\sum_{j \le k} h_j \,\text{Precision@}j
    """

    def compute(self, ranking: Ranking) -> Tensor:
        """Values [n] of the users of a ranking."""
        hits = ranking.hits
        row, rank = hits[:, : self.k].nonzero(as_tuple=True)  # ordered by row, then by rank
        nth = torch.arange(row.numel(), device=row.device)
        first = torch.searchsorted(row, row)  # place of the row's first hit
        precision_at_hit = (nth - first + 1).double() / (rank + 1)
        total = _zeros(hits).index_add_(0, row, precision_at_hit)
        return total / ranking.num_positives.clamp(min=1, max=self.k)


class HitRate(Metric):
    r"""Whether any held-out item stands in the first k places, 1 or 0.

    .. math:: \text{HitRate@}k = \max_{j \le k} h_j
    """

    def compute(self, ranking: Ranking) -> Tensor:
        """Values [n] of the users of a ranking."""
        return ranking.hits[:, : self.k].any(1).double()


class MRR(Metric):
    r"""Reciprocal rank of the first held-out item within the first k places, 0 if none is there.

    .. math:: \text{MRR@}k = \max_{j \le k} h_j / j
    """

    def compute(self, ranking: Ranking) -> Tensor:
        """Values [n] of the users of a ranking."""
        hits = ranking.hits[:, : self.k]
        ranks = torch.arange(1, hits.size(1) + 1, dtype=torch.float64, device=hits.device)
        return (hits / ranks).amax(1)


def _zeros(hits: Tensor) -> Tensor:
    return torch.zeros(hits.size(0), dtype=torch.float64, device=hits.device)
