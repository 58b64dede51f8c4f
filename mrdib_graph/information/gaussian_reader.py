"""Bits by a closed form instead of a fitted probe: for curves over epochs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mrdib_graph.information.held_out_choices import HeldOutChoices
from mrdib_graph.information.probe import Columns, Reading, popularity_columns


class GaussianReader:
    r"""Information of a set of sources if their code products were Gaussian.

    .. math:: I_A = \frac{1}{2 \ln 2} \Big[\delta^\top \Sigma^{-1} \delta
        - p \Big(\frac{1}{n_{pos}} + \frac{1}{n_{neg}}\Big)\Big]

    ``delta`` is the mean of the products at positives minus that at candidates drawn from
    popularity, ``Sigma`` the covariance of a user's candidates, the last term the bias of p
    columns.  Log popularity is one more column, and what it tells alone is taken off.
    The bits of a row are the linear part of its influence on ``I_A``; their mean is ``I_A``.

    Args:
        rows: Held-out interactions, at least two candidates each.
    """

    def __init__(self, rows: HeldOutChoices) -> None:
        self.rows = rows
        self._popularity, _ = popularity_columns(rows)
        self._null, _ = self._bits((), None)

    def read(self, columns: Sequence[Columns]) -> Reading:
        """Bits at each held-out interaction and the weights of the linear reader."""
        used = [c for c in columns if not c.source.empty]
        bits, found = self._bits(used, None)
        weights = iter(found)
        zero = [torch.zeros(c.source.user.size(1), dtype=torch.float64) for c in columns]
        return Reading(
            bits - self._null,
            tuple(
                z if c.source.empty else next(weights) for c, z in zip(columns, zero, strict=True)
            ),
        )

    def weights(self, columns: Columns, row_weight: Tensor) -> Tensor:
        """Product weights [d] of one source with a weight for each row [n]."""
        if columns.source.empty:
            return torch.zeros(columns.source.user.size(1), dtype=torch.float64)
        return self._bits([columns], row_weight)[1][0]

    def _bits(
        self, columns: Sequence[Columns], row_weight: Tensor | None
    ) -> tuple[Tensor, list[Tensor]]:
        x = torch.cat([self._popularity, *(c.difference for c in columns)], 2)
        rows, candidates, width = x.shape
        weight = x.new_ones(rows) if row_weight is None else row_weight.double()
        weight = weight / weight.sum()
        mean = x.mean(1)  # [n, p]
        deviation = (x - mean.unsqueeze(1)).view(-1, width)
        scaled = deviation * weight.repeat_interleave(candidates).unsqueeze(1)
        sigma = scaled.T @ deviation / (candidates - 1)
        delta = -(weight @ mean)
        variance, axes = torch.linalg.eigh(sigma)
        keep = variance > 1e-8 * variance.max().clamp_min(1e-300)
        theta = axes[:, keep] @ (axes[:, keep].T @ delta / variance[keep])
        bias = int(keep.sum()) * (1 + 1 / candidates) / rows
        value = 0.5 * (float(delta @ theta) - bias)
        bits = (value + (-mean - delta) @ theta) / math.log(2)
        found, at = [], 1
        for c in columns:
            end = at + 1 + c.source.kept
            found.append(c.weights(theta[at:end]))
            at = end
        return bits, found
