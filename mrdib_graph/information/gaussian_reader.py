"""Bits by a closed form instead of a fitted probe: for curves over epochs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor
from typing_extensions import override

from mrdib_graph.information.reader import Columns, Reader
from mrdib_graph.information.sources import principal_axes


class GaussianReader(Reader):
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

    @override
    def _read(self, columns: Sequence[Columns]) -> tuple[Tensor, Tensor]:
        return self._bits(columns, None)

    @override
    def _theta(self, columns: Sequence[Columns], row_weight: Tensor) -> Tensor:
        return self._bits(columns, row_weight)[1]

    def _bits(self, columns: Sequence[Columns], row_weight: Tensor | None) -> tuple[Tensor, Tensor]:
        x = self._design(columns)
        rows, candidates, width = x.shape
        weight = x.new_ones(rows) if row_weight is None else row_weight.double()
        weight = weight / weight.sum()
        mean = x.mean(1)  # [n, p]
        deviation = (x - mean.unsqueeze(1)).view(-1, width)
        scaled = deviation * weight.repeat_interleave(candidates).unsqueeze(1)
        sigma = scaled.T @ deviation / (candidates - 1)
        delta = -(weight @ mean)
        axes, variance = principal_axes(sigma, 1e-8)
        theta = axes @ (axes.T @ delta / variance)
        bias = variance.numel() * (1 + 1 / candidates) / rows
        value = 0.5 * (float(delta @ theta) - bias)
        return (value + (-mean - delta) @ theta) / math.log(2), theta
