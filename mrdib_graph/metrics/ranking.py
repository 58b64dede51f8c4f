"""What metrics read: hits, and where a metric asks for more, lists, scores and item features."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError

_Part = TypeVar("_Part")


class Catalogue(NamedTuple):
    """What is known of users and items before anything is ranked.

    Shapes:
        ``popularity`` [I] int64, training interactions of each item; ``features`` one [I, d_m] for
        each modality, rows of length 1, or 0 where an item lacks it; None where none reads them.
    """

    num_users: int
    popularity: Tensor
    features: list[Tensor] | None = None


class Ranking:
    """The rankings of n users, as metrics read them.

    Args:
        hits: [n, K] bool: whether a held-out item stands at each place, best first.
        num_positives: Held-out items of each user [n].
        num_candidates: Items that were ranked, the user's masked ones counted.
        catalogue: Users and items.
        lists: Ids of the items at each place [n, K'], -1 behind the last; K' is the largest
            cut-off, or the number of ranked items where that is smaller.
        share_below: For each user [n], the chance that a held-out item is scored above another
            candidate, equal scores one half.
    """

    def __init__(
        self,
        hits: Tensor,
        num_positives: Tensor,
        num_candidates: int,
        catalogue: Catalogue,
        lists: Tensor | None = None,
        share_below: Tensor | None = None,
    ) -> None:
        self.hits = hits
        self.num_positives = num_positives
        self.num_candidates = num_candidates
        self.catalogue = catalogue
        self._lists = lists
        self._share_below = share_below

    @property
    def lists(self) -> Tensor:
        """Ids of the recommended items [n, K']; needs ``reads = ("lists",)``."""
        return _kept(self._lists, "lists")

    @property
    def share_below(self) -> Tensor:
        """Share of the candidates below a held-out item [n]; needs ``reads = ("scores",)``."""
        return _kept(self._share_below, "scores")

    @property
    def features(self) -> list[Tensor]:
        """Feature rows of each modality, [I, d_m]; needs ``reads = ("features",)``."""
        return _kept(self.catalogue.features, "features")

    def counts(self, k: int) -> Tensor:
        """How many of the first k places each item takes, over all users [I] int64."""
        top = self.lists[:, :k]
        return torch.bincount(top[top >= 0], minlength=self.catalogue.popularity.numel())

    def mean_over_list(self, value: Tensor, k: int) -> Tensor:
        """Mean of an item value [I] over the filled ones of the first k places [n]; 0 of none."""
        top = self.lists[:, :k]
        filled = top >= 0
        total = (value.double()[top.clamp(min=0)] * filled).sum(1)
        return total / filled.sum(1).clamp(min=1)

    def __getitem__(self, rows: Tensor) -> Ranking:
        """The same of some users, or of the users in another order."""
        lists = None if self._lists is None else self._lists[rows]
        share = None if self._share_below is None else self._share_below[rows]
        hits, positives = self.hits[rows], self.num_positives[rows]
        return Ranking(hits, positives, self.num_candidates, self.catalogue, lists, share)


def _kept(part: _Part | None, reads: str) -> _Part:
    if part is None:
        raise ConfigError(
            f"ranking: {reads} were not kept, since no metric asks for them; write  reads = "
            f'("{reads}",)  in the metric\'s class'
        )
    return part
