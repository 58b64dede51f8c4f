"""Scores that a set of codes makes together, whatever axes the codes came in."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mrdib_graph.information.sources import Source, principal_axes

SHRINKAGE = 0.05
"""Added to the diagonal of the covariance of white codes."""


def joint_sources(sources: Sequence[Source]) -> list[Source]:
    r"""For each source, its users' tastes read from the codes of the whole set.

    Re-weighting a code's own axes finds what two codes tell together only if those axes part what
    is shared from what is not: a key that one code adds and another takes away is lost in a rotated
    code.  The linear reader of Gaussian codes has no axes: a user whose picks shift code m by
    :math:`\delta_m(u) = \Sigma_m z_m(u)` is read by

    .. math:: s_m(u, i) = [0, \delta_m(u), 0]^\top \Sigma^{-1} z(i),
        \qquad z = (z_1, \dots, z_M), \quad \Sigma = \mathrm{cov}\, z.

    One score a source, with a free coefficient each; empty sources have none.  The covariance
    counts items alike, not by popularity, and is shrunk a little: it is inverted, and the few
    popular items alone would make it noisy.

    Args:
        sources: Sources of a set.
    """
    live = [s for s in sources if not s.empty and s.kept]
    if len(live) < 2:
        return []
    white = [_whiten(s.item[:, : s.kept]) for s in live]
    items = torch.cat([item for item, _ in white], 1)
    shrunk = _covariance(items) + SHRINKAGE * torch.eye(items.size(1), dtype=items.dtype)
    precision = torch.linalg.inv(shrunk)
    rows = precision.split([item.size(1) for item, _ in white])
    return [
        Source(s.user[:, : s.kept] @ root @ part, items, 0)
        for s, (_, root), part in zip(live, white, rows, strict=True)
    ]


def _covariance(item: Tensor) -> Tensor:
    centred = item - item.mean(0)
    return centred.T @ centred / item.size(0)


def _whiten(item: Tensor) -> tuple[Tensor, Tensor]:
    """White rows [I, r] and the root [d, r] with ``item = white @ root.T``."""
    axes, variance = principal_axes(_covariance(item), 1e-6)
    root = variance.sqrt()
    return item @ axes / root, axes * root
