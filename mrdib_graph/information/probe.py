"""The conditional logit probe: how many bits a set of sources saves over popularity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from typing_extensions import override

from mrdib_graph.information.held_out_choices import HeldOutChoices
from mrdib_graph.information.logit import Fit, fit_logit
from mrdib_graph.information.reader import Columns, Reader, product_weights
from mrdib_graph.information.softmax_bits import log_choice

Target = Literal["user", "pair"]


class Probe(Reader):
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

    _units_a_bit = math.log(2)

    def __init__(self, rows: HeldOutChoices, ridge: float, target: Target = "user") -> None:
        self.ridge = ridge
        self.target = target
        super().__init__(rows)

    @override
    def _read(self, columns: Sequence[Columns]) -> tuple[Tensor, Tensor]:
        """Log probability of each row's choice, by the fit that left its user out [n]."""
        fit = self._fit(columns)
        if self.target == "pair":
            return self._log_pair(columns, fit), fit.full
        gamma = 1 + fit.folds[:, 0] / self._popularity_scale  # candidates come from q itself
        per_fold = [product_weights(columns, theta) for theta in fit.folds]
        stacked = [torch.stack(w) for w in zip(*per_fold, strict=True)]  # a source: [folds, d]
        return log_choice(self.rows, [c.source for c in columns], stacked, gamma), fit.full

    @override
    def _theta(self, columns: Sequence[Columns], row_weight: Tensor) -> Tensor:
        return self._fit(columns, row_weight).full

    def _fit(self, columns: Sequence[Columns], row_weight: Tensor | None = None) -> Fit:
        penalty = [torch.zeros(1)]
        for c in columns:
            penalty += [torch.zeros(1), torch.full((c.source.kept,), self.ridge)]
        fold = self.rows.fold if row_weight is None else None
        return fit_logit(self._design(columns), torch.cat(penalty).double(), fold, row_weight)

    def _log_pair(self, columns: Sequence[Columns], fit: Fit) -> Tensor:
        theta = fit.folds[self.rows.fold]  # [n, p]
        odds = torch.einsum("ncp,np->nc", self._design(columns), theta)
        return torch.nn.functional.logsigmoid(-odds).mean(1)
