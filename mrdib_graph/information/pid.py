"""Two-source decompositions of a discrete table: pure functions in float64, no recommender.

A table is ``p[s_1, s_2, y]``: two sources and a target.  With ``V`` the union information, what is
available without joining the sources, every rule is one choice of ``V``:

``R = I_1 + I_2 - V``, ``U_1 = V - I_2``, ``U_2 = V - I_1``, ``S = I_12 - V``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.partial_information import PartialInformation


def split(i1: float, i2: float, i12: float, overlap: float) -> PartialInformation:
    """The split of a pair whose sources share a part ``overlap`` of ``i1 + i2``.

    ``R = overlap * (i1 + i2)``, kept in ``[max(0, i1 + i2 - i12), min(i1, i2)]`` so that no part is
    negative.

    Args:
        i1: Information of the first source, bits, not negative.
        i2: Information of the second source, bits, not negative.
        i12: Information of both, bits, at least ``max(i1, i2)``.
        overlap: Shared part of the sum, 0 to 1/2 in theory.
    """
    redundant = min(max(overlap * (i1 + i2), 0.0, i1 + i2 - i12), min(i1, i2))
    return PartialInformation(
        redundant, (i1 - redundant, i2 - redundant), i12 - i1 - i2 + redundant, i12
    )


def mutual_information(joint: Tensor) -> float:
    """Mutual information of a table [A, B] that sums to 1, in bits."""
    independent = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    return _divergence(joint, independent) / math.log(2)


def broja(p: Tensor, tolerance: float = 1e-9, max_iterations: int = 20_000) -> PartialInformation:
    r"""BROJA split of ``p[s_1, s_2, y]`` (Bertschinger et al., Quantifying Unique Information).

    :math:`V = \min_q I_q(S_1, S_2; Y)` over the tables q with the same ``(s_1, y)`` and
    ``(s_2, y)`` marginals.  Alternates ``r(s_1 | s_2)`` of the current q with, for each y, the
    Sinkhorn projection of ``p(s_2, y) r`` on the couplings with those marginals.
    Source: arXiv 1311.2852.

    Args:
        p: Probabilities [S1, S2, Y], up to about 12 x 12 sources.
        tolerance: Stop when ``I_q`` changes by less, in nats.
        max_iterations: Bound on the alternations.

    Raises:
        ConfigError: ``p`` is not a table of probabilities with three axes.
    """
    p = _checked(p)
    p1y, p2y = p.sum(1), p.sum(0)  # [S1, Y], [S2, Y]
    py = p.sum((0, 1))
    q = p1y.unsqueeze(1) * p2y.unsqueeze(0) / py.clamp_min(1e-300)
    last = math.inf
    for _ in range(max_iterations):
        pair = q.sum(2)  # [S1, S2]
        r = pair / pair.sum(0, keepdim=True).clamp_min(1e-300)
        q = _sinkhorn(r.unsqueeze(2) * p2y.unsqueeze(0), p1y, p2y)
        value = _divergence(q, q.sum(2, keepdim=True) * py)
        if abs(last - value) < tolerance:
            break
        last = value
    return _from_union(p, _total(q))


def dependency(p: Tensor) -> PartialInformation:
    r"""Split of ``p[s_1, s_2, y]`` by dependency constraints (James et al.).

    :math:`V = \min(I_{add}, I_{ci}, I_1 + I_2)`: ``I_add`` of the largest-entropy table with the
    three pair marginals of p (iterative proportional fitting), ``I_ci`` of the table whose sources
    are independent given y.  Source: arXiv 1709.06653.

    Args:
        p: Probabilities [S1, S2, Y].

    Raises:
        ConfigError: ``p`` is not a table of probabilities with three axes.
    """
    p = _checked(p)
    q = torch.full_like(p, 1.0 / p.numel())
    for _ in range(5_000):
        before = q
        for axis in (2, 1, 0):
            have = q.sum(axis, keepdim=True)
            q = torch.where(have > 0, q * p.sum(axis, keepdim=True) / have.clamp_min(1e-300), 0.0)
        if float((q - before).abs().max()) < 1e-12:
            break
    p1y, p2y, py = p.sum(1), p.sum(0), p.sum((0, 1))
    independent = p1y.unsqueeze(1) * p2y.unsqueeze(0) / py.clamp_min(1e-300)
    i1, i2 = mutual_information(p1y), mutual_information(p2y)
    return _from_union(p, min(_total(q), _total(independent), i1 + i2))


def _from_union(p: Tensor, union: float) -> PartialInformation:
    i1, i2, i12 = mutual_information(p.sum(1)), mutual_information(p.sum(0)), _total(p)
    return PartialInformation.from_union(i1, i2, i12, union)


def _total(p: Tensor) -> float:
    return mutual_information(p.flatten(0, 1))


def _divergence(p: Tensor, q: Tensor) -> float:
    positive = p > 0
    return float((p[positive] * (p[positive] / q[positive]).log()).sum())


def _sinkhorn(q: Tensor, p1y: Tensor, p2y: Tensor) -> Tensor:
    """Scale q [S1, S2, Y] to the marginals over s_2 and over s_1, for each y at once."""
    for _ in range(1_000):
        rows = q.sum(1)
        if float((rows - p1y).abs().max()) < 1e-12:
            break
        q = q * (p1y / rows.clamp_min(1e-300)).unsqueeze(1)
        q = q * (p2y / q.sum(0).clamp_min(1e-300)).unsqueeze(0)
    return q


def _checked(p: Tensor) -> Tensor:
    if p.dim() != 3:
        raise ConfigError(f"p: got shape {tuple(p.shape)}, expected [S1, S2, Y]")
    p = p.detach().to("cpu", torch.float64)
    if not bool(torch.isfinite(p).all()) or bool((p < 0).any()) or not bool(p.sum() > 0):
        raise ConfigError("p: expected probabilities, not negative and with a positive sum")
    return p / p.sum()
