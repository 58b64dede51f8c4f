"""The conditional logit probe: how many bits a set of sources saves over popularity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from mrdib_graph.information.held_out_choices import HeldOutChoices
from mrdib_graph.information.logit import Fit, fit_logit
from mrdib_graph.information.softmax_bits import log_choice
from mrdib_graph.information.sources import Source

Target = Literal["user", "pair"]


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


@dataclass(frozen=True)
class Reading:
    """What a set of sources tells.

    Shapes:
        ``bits`` [n], saved over popularity at each held-out interaction, negative where the probe
        does worse; ``weights``, for each source [d], of the fit on all users.
    """

    bits: Tensor
    weights: tuple[Tensor, ...]


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


def popularity_columns(rows: HeldOutChoices) -> tuple[Tensor, float]:
    """Log popularity of candidates minus that of the positive [n, c, 1], scaled, and the scale."""
    log_q = rows.popularity.log()
    difference = (log_q[rows.candidates] - log_q[rows.item].unsqueeze(1)).unsqueeze(2)
    scale = float(difference.std()) or 1.0
    return difference / scale, scale


class Probe:
    r"""A conditional logit that re-weights code dimensions but does not mix modalities.

    .. math:: l_A(u, i) = \gamma \log q_i + \sum_{m \in A} \Big[c_m s_m(u, i)
        + \sum_k v_{mk} z_{mk}(u) z_{mk}(i)\Big], \qquad p_A(i \mid u) = \mathrm{softmax}_i\, l_A

    over the items that u has not in training.  Fitted on the positive and sampled candidates,
    cross-fitted over users (a user's bits come from a probe that never saw her), and read with the
    exact softmax: ``I_A = E[log2 p_A - log2 p_0]`` bits an interaction, with ``gamma`` alone in
    ``p_0``, so popularity inside the codes earns nothing.

    Args:
        rows: Held-out interactions.
        ridge: Penalty ``0.5 * ridge * |v|^2`` on the sum of log losses; ``c`` and ``gamma`` free.
        target: ``'user'``, or ``'pair'``: one bit, which of the positive and a candidate it is.
    """

    def __init__(self, rows: HeldOutChoices, ridge: float, target: Target = "user") -> None:
        self.rows = rows
        self.ridge = ridge
        self.target = target
        self._popularity, self._popularity_scale = popularity_columns(rows)
        self._null = self._log_choice((), self._fit(()))

    def read(self, columns: Sequence[Columns]) -> Reading:
        """Bits that a set of sources saves at each held-out interaction."""
        used = [c for c in columns if not c.source.empty]
        fit = self._fit(used)
        bits = (self._log_choice(used, fit) - self._null) / math.log(2)
        found = iter(self._weights(used, fit.full))
        zero = [torch.zeros(c.source.user.size(1), dtype=torch.float64) for c in columns]
        weights = [z if c.source.empty else next(found) for c, z in zip(columns, zero, strict=True)]
        return Reading(bits, tuple(weights))

    def weights(self, columns: Columns, row_weight: Tensor) -> Tensor:
        """Product weights [d] of one source, fitted on all users with a weight for each row [n]."""
        if columns.source.empty:
            return torch.zeros(columns.source.user.size(1), dtype=torch.float64)
        return self._weights([columns], self._fit([columns], row_weight).full)[0]

    def _fit(self, columns: Sequence[Columns], row_weight: Tensor | None = None) -> Fit:
        design = torch.cat([self._popularity, *(c.difference for c in columns)], 2)
        penalty = [torch.zeros(1)]
        for c in columns:
            penalty += [torch.zeros(1), torch.full((c.source.kept,), self.ridge)]
        fold = self.rows.fold if row_weight is None else None
        return fit_logit(design, torch.cat(penalty).double(), fold, row_weight)

    def _weights(self, columns: Sequence[Columns], theta: Tensor) -> list[Tensor]:
        found, at = [], 1
        for c in columns:
            end = at + 1 + c.source.kept
            found.append(c.weights(theta[at:end]))
            at = end
        return found

    def _log_choice(self, columns: Sequence[Columns], fit: Fit) -> Tensor:
        """Log probability of each row's choice, by the fit that left its user out [n]."""
        if self.target == "pair":
            return self._log_pair(columns, fit)
        gamma = 1 + fit.folds[:, 0] / self._popularity_scale  # candidates come from q itself
        per_fold = [self._weights(columns, theta) for theta in fit.folds]
        stacked = [torch.stack(w) for w in zip(*per_fold, strict=True)]  # a source: [folds, d]
        return log_choice(self.rows, [c.source for c in columns], stacked, gamma)

    def _log_pair(self, columns: Sequence[Columns], fit: Fit) -> Tensor:
        design = torch.cat([self._popularity, *(c.difference for c in columns)], 2)
        theta = fit.folds[self.rows.fold]  # [n, p]
        odds = torch.einsum("ncp,np->nc", design, theta)
        return torch.nn.functional.logsigmoid(-odds).mean(1)
