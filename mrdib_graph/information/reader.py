"""What all readers of codes share: the columns that they see and how they answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mrdib_graph.information.held_out_choices import HeldOutChoices
from mrdib_graph.information.sources import Source


@dataclass(frozen=True)
class Columns:
    """A source's columns of the design, candidate minus positive, scaled to unit deviation.

    Shapes:
        ``difference`` [n, c, 1 + kept]: the score, then the first ``kept`` products.
    """

    source: Source
    difference: Tensor
    score_scale: float
    product_scale: float

    def weights(self, theta: Tensor) -> Tensor:
        """Coefficient of each product ``z_k(u) z_k(i)`` from fitted columns [1 + kept] -> [d]."""
        weights = (theta[0] / self.score_scale).repeat(self.source.user.size(1))
        weights[: self.source.kept] += theta[1:] / self.product_scale
        return weights


def make_columns(source: Source, rows: HeldOutChoices) -> Columns:
    """Score and products of each held-out row's candidates minus those of its positive."""
    user = source.user[rows.user].unsqueeze(1)
    products = user * source.item[rows.candidates]
    positive = user * source.item[rows.item].unsqueeze(1)
    score = products.sum(2, keepdim=True)
    kept = products[..., : source.kept]
    score_scale = float(score.std()) or 1.0
    product_scale = float((kept - kept.mean((0, 1))).square().mean().sqrt()) if source.kept else 1.0
    product_scale = product_scale or 1.0
    difference = torch.cat(
        [
            (score - positive.sum(2, keepdim=True)) / score_scale,
            (kept - positive[..., : source.kept]) / product_scale,
        ],
        2,
    )
    return Columns(source, difference, score_scale, product_scale)


@dataclass(frozen=True)
class BitsOfRows:
    """What a set of sources tells.

    Shapes:
        ``bits`` [n], saved over popularity at each held-out interaction, negative where the reader
        does worse; ``weights``, for each source [d], of the fit on all users.
    """

    bits: Tensor
    weights: tuple[Tensor, ...]


class Reader(ABC):
    """Turns columns of sources into bits at each held-out interaction, and into weights.

    Log popularity is a column of every set; what it tells alone is taken off.

    Args:
        rows: Held-out interactions.
    """

    _units_a_bit: ClassVar[float] = 1.0

    def __init__(self, rows: HeldOutChoices) -> None:
        self.rows = rows
        log_q = rows.popularity.log()
        difference = (log_q[rows.candidates] - log_q[rows.item].unsqueeze(1)).unsqueeze(2)
        self._popularity_scale = float(difference.std()) or 1.0
        self._popularity = difference / self._popularity_scale  # [n, c, 1]
        self._null, _ = self._read([])

    def read(self, columns: Sequence[Columns]) -> BitsOfRows:
        """Bits that a set of sources saves at each held-out interaction, and its weights."""
        used = [c for c in columns if not c.source.empty]
        value, theta = self._read(used)
        weights = iter(product_weights(used, theta))
        return BitsOfRows(
            (value - self._null) / self._units_a_bit,
            tuple(_nothing(c) if c.source.empty else next(weights) for c in columns),
        )

    def weights(self, columns: Columns, row_weight: Tensor) -> Tensor:
        """Product weights [d] of one source, fitted on all users with a weight for each row [n]."""
        if columns.source.empty:
            return _nothing(columns)
        return product_weights([columns], self._theta([columns], row_weight))[0]

    @abstractmethod
    def _read(self, columns: Sequence[Columns]) -> tuple[Tensor, Tensor]:
        """What each row tells [n], and the coefficients on all rows [p]."""

    @abstractmethod
    def _theta(self, columns: Sequence[Columns], row_weight: Tensor) -> Tensor:
        """The coefficients [p] with a weight for each row [n]."""

    def _design(self, columns: Sequence[Columns]) -> Tensor:
        return torch.cat([self._popularity, *(c.difference for c in columns)], 2)  # [n, c, p]


def product_weights(columns: Sequence[Columns], theta: Tensor) -> list[Tensor]:
    """Product weights [d] of each source from the coefficients [p], popularity first."""
    parts = torch.split(theta[1:], [1 + c.source.kept for c in columns])
    return [c.weights(part) for c, part in zip(columns, parts, strict=True)]


def _nothing(columns: Columns) -> Tensor:
    return torch.zeros(columns.source.user.size(1), dtype=torch.float64)
