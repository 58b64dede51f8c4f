"""What an evaluation returns: means, per-user values and the rank of every positive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mrdib_graph.metrics import Catalogue, Metric, Ranking
from mrdib_graph.tables import render_html
from mrdib_graph.typing import Metrics


class Ranked(NamedTuple):
    """What a ranking left behind: all that metrics, of slices too, are computed from.

    Shapes:
        ``positives`` [2, P] user and item of every evaluated positive, each pair once; ``ranks``
        [P] its rank from 1, or 0 behind the largest cut-off; ``lists`` [n, K] ids of the first
        items of each user, in ascending order of the users, -1 behind the last; ``share_below``
        [P] float64, share of the other candidates that are scored below the positive.  The last
        two are None where no metric reads them.
    """

    positives: Tensor
    ranks: Tensor
    lists: Tensor | None = None
    share_below: Tensor | None = None


class MetricResult(NamedTuple):
    """Result of a full-ranking evaluation; every tensor is on the CPU.

    Shapes:
        ``users`` [n] in ascending order; ``per_user[name]`` [n] float64, row r for ``users[r]``;
        ``positives`` [2, P] user and item of every evaluated positive; ``ranks`` [P] its rank from
        1, or 0 behind the largest cut-off.
    """

    mean: Metrics
    """Mean over users of each metric such as ``'recall@20'``; every user weighs the same."""
    per_user: dict[str, Tensor]
    users: Tensor
    split: str
    masked: tuple[str, ...]
    """Splits whose positives were taken out of the ranking: ``('train',)`` by default."""
    positives: Tensor
    ranks: Tensor
    num_candidates: int
    """Items that were ranked, the user's masked ones counted; I unless they were restricted."""
    of_set: Metrics
    """Value of each metric of all users together, such as ``'coverage@20'``: no user has one."""
    ranked: Ranked
    metrics: Sequence[Metric]
    ranking: Ranking
    """What the metrics read."""

    @property
    def values(self) -> Metrics:
        """Every metric by name: the means over users, then the values of all users together."""
        return self.mean | self.of_set

    @property
    def num_positives(self) -> Tensor:
        """Number of evaluated positives m of each user [n]."""
        count: Tensor = torch.unique(self.positives[0], return_counts=True)[1]
        return count

    def __repr__(self) -> str:
        cutoffs = [name.partition("@")[2] for name in self.values if "@" in name] or [""]
        shown = "20" if "20" in cutoffs else cutoffs[-1]
        values = [
            f"{n} {v:.4f}" for n, v in self.values.items() if n.partition("@")[2] in ("", shown)
        ]
        return f"MetricResult({self._about()}: {', '.join(values)})"

    def _repr_html_(self) -> str:
        """A row a metric, a column a cut-off."""
        cells: dict[str, dict[str, str]] = {}
        for name, value in self.values.items():
            metric, _, cutoff = name.partition("@")
            cells.setdefault(metric, {})[cutoff] = f"{value:.4f}"
        cutoffs = list(dict.fromkeys(name.partition("@")[2] for name in self.values))
        rows = [[m, *(values.get(k, "") for k in cutoffs)] for m, values in cells.items()]
        heads = [f"@{k}" if k else "" for k in cutoffs]
        return render_html(["", *heads], rows, self._about())

    def _about(self) -> str:
        return f"{self.split}, {len(self.users):,} users"


def from_ranked(
    ranked: Ranked,
    metrics: Sequence[Metric],
    catalogue: Catalogue,
    split: str,
    masked: tuple[str, ...],
    num_candidates: int,
) -> MetricResult:
    """Metrics from what a ranking left behind.

    Args:
        ranked: At least one positive.
        metrics: What to compute.
        catalogue: Users and items.
        split: The evaluated split, kept in the result.
        masked: The masked splits, kept in the result.
        num_candidates: The number of ranked items.

    Raises:
        ConfigError: A metric returned something else than its values.
    """
    positives, ranks = ranked.positives, ranked.ranks
    users, row, count = torch.unique(positives[0], return_inverse=True, return_counts=True)
    largest = max(1, int(ranks.max()), *(metric.k for metric in metrics))
    hits = torch.zeros(users.numel(), largest, dtype=torch.bool)
    found = ranks > 0
    hits[row[found], ranks[found] - 1] = True
    share = None
    if ranked.share_below is not None:
        total = torch.zeros(users.numel(), dtype=torch.float64)
        share = total.index_add_(0, row, ranked.share_below) / count
    ranking = Ranking(hits, count, num_candidates, catalogue, ranked.lists, share)
    per_user, of_set = {}, {}
    for metric in metrics:
        if metric.of_set:
            of_set[metric.name] = float(metric(ranking))
        else:
            per_user[metric.name] = metric(ranking)
    mean = {name: float(value.mean()) for name, value in per_user.items()}
    about = (users, split, masked, positives, ranks, num_candidates)
    return MetricResult(mean, per_user, *about, of_set, ranked, metrics, ranking)
