"""Scores of a batch's observed and sampled items, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from torch import Tensor


class PairScores(NamedTuple):
    """Scores of each user's observed item and of the items sampled for it.

    Shapes:
        ``positive`` [B]; ``negative`` [B, n]; ``present`` [B, n] bool: both items have what they
        are scored by, everywhere for None.
    """

    positive: Tensor
    negative: Tensor
    present: Tensor | None = None

    def beside(self, others: Iterable[PairScores]) -> PairScores:
        """The scores on top of those of others, through which no gradient flows."""
        positive, negative = self.positive, self.negative
        for other in others:
            positive = positive + other.positive.detach()
            negative = negative + other.negative.detach()
        return PairScores(positive, negative, self.present)

    def loss(self, ranking_loss: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """A ranking loss, a mean over rows, in which a row that lacks an item counts as 0: [].

        A mean over the complete rows alone would weigh each of them the more, the fewer they are.
        """
        if self.present is None:
            return ranking_loss(self.positive, self.negative)
        rows = self.present.all(1)
        count = int(rows.sum())
        if not count:
            return self.positive.sum() * 0.0
        return ranking_loss(self.positive[rows], self.negative[rows]) * (count / rows.numel())


def split_items(x: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Rows of the items, the observed first: ``[B + B n, *]`` to ``[B, *]`` and ``[B, n, *]``."""
    return x[:size], x[size:].view(size, -1, *x.shape[1:])


def inner_scores(user: Tensor, item: Tensor) -> PairScores:
    """Inner products of users [B, w] with their items, the observed first [B + B n, w]."""
    positive, negative = split_items(item, user.size(0))
    return PairScores((user * positive).sum(-1), (user.unsqueeze(1) * negative).sum(-1))
