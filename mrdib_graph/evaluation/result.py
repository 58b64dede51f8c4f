"""What an evaluation returns: means, per-user values and the rank of every positive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mrdib_graph.evaluation import metrics
from mrdib_graph.tables import render_html
from mrdib_graph.typing import Metrics


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

    @property
    def num_positives(self) -> Tensor:
        """Number of evaluated positives m of each user [n]."""
        count: Tensor = torch.unique(self.positives[0], return_counts=True)[1]
        return count

    def __repr__(self) -> str:
        cutoffs = [name.partition("@")[2] for name in self.mean]
        shown = "20" if "20" in cutoffs else cutoffs[-1]
        values = [f"{n} {v:.4f}" for n, v in self.mean.items() if n.partition("@")[2] == shown]
        return f"MetricResult({self._about()}: {', '.join(values)})"

    def _repr_html_(self) -> str:
        """A row a metric, a column a cut-off."""
        cells: dict[str, dict[str, str]] = {}
        for name, value in self.mean.items():
            metric, _, cutoff = name.partition("@")
            cells.setdefault(metric, {})[cutoff] = f"{value:.4f}"
        cutoffs = list(dict.fromkeys(name.partition("@")[2] for name in self.mean))
        rows = [[m, *(values.get(k, "") for k in cutoffs)] for m, values in cells.items()]
        return render_html(["", *(f"@{k}" for k in cutoffs)], rows, self._about())

    def _about(self) -> str:
        return f"{self.split}, {len(self.users):,} users"


def from_ranks(
    positives: Tensor,
    ranks: Tensor,
    names: Sequence[str],
    split: str,
    masked: tuple[str, ...],
    num_candidates: int,
) -> MetricResult:
    """Metrics from the rank of every positive.

    Args:
        positives: User and item [2, P], at least one, each pair once.
        ranks: Rank from 1 of each positive [P], 0 if it is behind the largest cut-off.
        names: Metrics such as ``'recall@20'``.
        split: The evaluated split, kept in the result.
        masked: The masked splits, kept in the result.
        num_candidates: The number of ranked items, kept in the result.
    """
    users, row, count = torch.unique(positives[0], return_inverse=True, return_counts=True)
    largest = max(int(name.partition("@")[2]) for name in names)
    hits = torch.zeros(users.numel(), largest, dtype=torch.bool)
    ranked = ranks > 0
    hits[row[ranked], ranks[ranked] - 1] = True
    per_user = metrics.compute(hits, count, names)
    mean = {name: float(value.mean()) for name, value in per_user.items()}
    return MetricResult(mean, per_user, users, split, masked, positives, ranks, num_candidates)
