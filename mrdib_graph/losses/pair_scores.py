"""Scores of a batch's observed items and of those that they are compared with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from mrdib_graph.typing import LogQ, Triplets


class PairRows(NamedTuple):
    """The rows whose inner products are the scores.

    Shapes:
        ``user`` [B, w], ``positive`` [B, w]; ``negative`` [B, n, w], or [n, w] shared by all.
        ``has`` [B, n] or [n] bool: which of the negatives have what they are scored by, all for
        None.
    """

    user: Tensor
    positive: Tensor
    negative: Tensor
    has: Tensor | None = None


class PairScores:
    """Scores of each user's observed item and of the items it is compared with.

    Args:
        positive: Of the observed items [B].
        negative: Of the others [B, n]; made from the rows when it is first asked for, if None.
        valid: Which of the others count [B, n] bool; all for None.
        log_q: How likely the items of a pool were drawn; None where it does not matter.
        rows: What the scores were made of; None for sums of scores.
        num_hardest: How many of the best-scored others a ranking loss is given; 0 for all.
        present: Which observed items have what they are scored by [B] bool; all for None.
    """

    def __init__(
        self,
        positive: Tensor,
        negative: Tensor | None = None,
        valid: Tensor | None = None,
        log_q: LogQ | None = None,
        rows: PairRows | None = None,
        num_hardest: int = 0,
        present: Tensor | None = None,
    ) -> None:
        self.positive = positive
        self.valid = valid
        self.present = present
        self.log_q = log_q
        self.rows = rows
        self.num_hardest = num_hardest
        if negative is not None:
            self.negative = negative

    @cached_property
    def negative(self) -> Tensor:
        """Scores of the others [B, n]."""
        assert self.rows is not None
        user, negative = self.rows.user, self.rows.negative
        if negative.dim() == 2:
            return user @ negative.T
        return (user.unsqueeze(1) * negative).sum(-1)

    def beside(self, others: Iterable[PairScores]) -> PairScores:
        """The scores on top of those of others, through which no gradient flows."""
        others = list(others)
        if not others:
            return self
        positive, negative = self.positive, self.negative
        for other in others:
            positive = positive + other.positive.detach()
            negative = negative + other.negative.detach()
        return PairScores(
            positive, negative, self.valid, self.log_q, None, self.num_hardest, self.present
        )

    def hardest(self) -> PairScores:
        """The same with the best-scored others only, where these were asked for."""
        if not self.num_hardest:
            return self
        scores = self.negative
        if self.valid is not None:
            scores = scores.masked_fill(~self.valid, -torch.inf)
        count = min(self.num_hardest, scores.size(1))
        place = scores.detach().topk(count, dim=1).indices
        valid = None if self.valid is None else self.valid.gather(1, place)
        negative = self.negative.gather(1, place)
        return PairScores(self.positive, negative, valid, rows=self.rows, present=self.present)

    def mean(self, of_pair: Tensor) -> Tensor:
        """Mean over rows of the mean over each row's valid others: [B, n] -> [].

        A row without any counts as 0: a mean over the others alone would weigh each of them the
        more, the fewer they are.
        """
        if self.valid is None:
            return of_pair.mean()
        count = self.valid.sum(1).clamp(min=1)
        return ((of_pair * self.valid).sum(1) / count).mean()

    def mean_positive(self, of_row: Tensor) -> Tensor:
        """Mean over the observed items [B] -> []; one that lacks what it is scored by counts 0."""
        return (of_row if self.present is None else of_row * self.present).mean()


@dataclass(frozen=True)
class Pairs:
    """Which items a batch compares, and what a score is: the same for every ranking term.

    Attributes:
        size: B.
        negatives: Shape of the others, ``(B, n)``, or ``(n,)`` shared by all users.
        cosine: Whether a score is a cosine; an inner product otherwise.
        valid: As :class:`PairScores` has it.
        log_q: As :class:`PairScores` has it.
        num_hardest: As :class:`PairScores` has it.
    """

    size: int
    negatives: tuple[int, ...]
    cosine: bool = False
    valid: Tensor | None = None
    log_q: LogQ | None = None
    num_hardest: int = 0

    @classmethod
    def of(cls, batch: Triplets, cosine: bool = False) -> Self:
        """Those of a batch."""
        shape = tuple(batch.neg_item.shape)
        return cls(batch.user.numel(), shape, cosine, batch.valid, batch.log_q, batch.num_hardest)

    def scores(self, user: Tensor, item: Tensor, has: Tensor | None = None) -> PairScores:
        """Scores of users with their items.

        Args:
            user: Rows [B, w].
            item: Rows of the observed items, then of the others: [B + B n, w] or [B + n, w].
            has: Which of these items have what they are scored by, bool; all for None.
        """
        if self.cosine:
            user, item = (F.normalize(x, dim=-1, eps=1e-12) for x in (user, item))
        present, others = (None, None) if has is None else self.split(has)
        positive, negative = self.split(item)
        valid = self.valid
        if present is not None and others is not None:
            both = present.unsqueeze(1) & others
            valid = both if valid is None else valid & both
        return PairScores(
            (user * positive).sum(-1),
            valid=valid,
            log_q=self.log_q,
            rows=PairRows(user, positive, negative, others),
            num_hardest=self.num_hardest,
            present=present,
        )

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Values of the observed items ``[B, *]``, of the others ``[B, n, *]`` or ``[n, *]``."""
        return x[: self.size], x[self.size :].view(*self.negatives, *x.shape[1:])

    def regularised(self, x: Tensor) -> Tensor:
        """The item rows that an L2 term reads: without a pool, which recurs in every step."""
        return x[: self.size] if len(self.negatives) == 1 else x
