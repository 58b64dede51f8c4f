r"""Ranking metrics of single users, computed on the hits alone.

For a user with :math:`m` positives and hits :math:`h_j \in \{0, 1\}` at rank :math:`j`:

.. math::
    \text{Recall@}k &= \tfrac{1}{m} \textstyle\sum_{j \le k} h_j \\
    \text{Precision@}k &= \tfrac{1}{k} \textstyle\sum_{j \le k} h_j \\
    \text{NDCG@}k &= \frac{\sum_{j \le k} h_j / \log_2(j + 1)}
                          {\sum_{j \le \min(k, m)} 1 / \log_2(j + 1)} \\
    \text{MAP@}k &= \tfrac{1}{\min(k, m)} \textstyle\sum_{j \le k} h_j \, \text{Precision@}j

The ideal order in NDCG is that of all the user's positives, not of the hits that were retrieved.

``torch_geometric.metrics`` agrees on all four: its ``LinkPredMAP`` divides by
:math:`\min(k, m)` too.  It computes in float32 and returns means only, the paired tests need the
values of every user in float64.

Every function maps ``hits`` [n, K] bool, ``num_positives`` [n] and ``k`` to [n] float64.  A row
without a positive is 0.  ``k`` may exceed K when there are fewer than ``k`` items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor


def _sum_at_hits(hits: Tensor, k: int, value: Tensor) -> Tensor:
    """Sum of ``value[j]`` over a row's hits at ranks up to k, with value [K] -> [n]."""
    row, rank = hits[:, :k].nonzero(as_tuple=True)
    return _zeros(hits).index_add_(0, row, value[rank])


def _zeros(hits: Tensor) -> Tensor:
    return torch.zeros(hits.size(0), dtype=torch.float64, device=hits.device)


def _discount(length: int, like: Tensor) -> Tensor:
    """``1 / log2(j + 1)`` for ranks j = 1..length."""
    ranks = torch.arange(1, length + 1, dtype=torch.float64, device=like.device)
    return 1.0 / torch.log2(ranks + 1.0)


def recall(hits: Tensor, num_positives: Tensor, k: int) -> Tensor:
    """Share of a user's positives within the first k ranks."""
    return hits[:, :k].sum(1).double() / num_positives.clamp(min=1)


def precision(hits: Tensor, num_positives: Tensor, k: int) -> Tensor:  # noqa: ARG001
    """Share of the first k ranks that are positives."""
    return hits[:, :k].sum(1).double() / k


def ndcg(hits: Tensor, num_positives: Tensor, k: int) -> Tensor:
    """Normalised discounted cumulative gain with binary relevance."""
    discount = _discount(k, hits)
    gain = _sum_at_hits(hits, k, discount)
    ideal = discount.cumsum(0)
    return gain / ideal[num_positives.clamp(min=1, max=k) - 1]


def mean_average_precision(hits: Tensor, num_positives: Tensor, k: int) -> Tensor:
    """Average over the ``min(k, m)`` reachable hits of the precision at each hit's rank."""
    row, rank = hits[:, :k].nonzero(as_tuple=True)  # ordered by row, then by rank
    nth = torch.arange(row.numel(), device=row.device)
    first = torch.searchsorted(row, row)  # place of the row's first hit
    precision_at_hit = (nth - first + 1).double() / (rank + 1)
    total = _zeros(hits).index_add_(0, row, precision_at_hit)
    return total / num_positives.clamp(min=1, max=k)


Metric = Literal["recall", "ndcg", "precision", "map"]

METRICS: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    "recall": recall,
    "ndcg": ndcg,
    "precision": precision,
    "map": mean_average_precision,
}
"""Metric name to its function."""


def metric_names(metrics: Sequence[str], cutoffs: Sequence[int]) -> list[str]:
    """All names such as ``'recall@20'``, cut-offs innermost."""
    return [f"{metric}@{k}" for metric in metrics for k in cutoffs]


def compute(hits: Tensor, num_positives: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """Per-user values [n] of every metric named as ``'recall@20'``."""
    values = {}
    for name in names:
        metric, _, k = name.partition("@")
        values[name] = METRICS[metric](hits, num_positives, int(k))
    return values
