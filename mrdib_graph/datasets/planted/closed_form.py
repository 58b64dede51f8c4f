"""Closed form of what the modalities of ``planted`` tell, for an endless catalogue.

Items weighted by popularity have t_g ~ N(0, 1), picked ones N(b_g, 1).  A source that explains the
share rho_g^2 of a factor's variance sees a shift of b_g rho_g in a unit normal, which is worth
b_g^2 rho_g^2 / (2 ln 2) bits.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import torch

from mrdib_graph.datasets.planted.config import REDUNDANT, SYNERGY, PlantedConfig, unique_group
from mrdib_graph.partial_information import PartialInformation

ANGLES = 4_096
"""Nodes of the midpoint rule for means over the unit sphere."""


def closed_reliability(config: PlantedConfig, present: Sequence[str]) -> dict[str, float]:
    """Reliability of each content group read from modalities that are all there."""
    noise, count = config.noise**2, len(present)
    reliability = {REDUNDANT: count / (count + noise) if count else 0.0}
    reliability |= {unique_group(m): 1 / (1 + noise) for m in present}
    if config.pair:
        halves = len(set(config.pair) & set(present))
        if config.synergy_kind == "mask":
            leak = 1 / (1 + config.kappa**2 + noise)
            reliability[SYNERGY] = (0.0, leak, 1 / (1 + noise / 2))[halves]
        else:
            reliability[SYNERGY] = float(halves == 2)
    return reliability


def closed_bits(config: PlantedConfig, reliability: Mapping[str, float]) -> float:
    """Closed form, sum_g b_g^2 rho_g^2 / (2 ln 2); its log cosh form for ``'product'``."""
    nats = 0.0
    for group, share in reliability.items():
        dial = config.dials[group]
        if group == SYNERGY and config.synergy_kind == "product":
            nats += share * _sign_nats(dial, config.factor_dim)
        else:
            nats += dial**2 * share / 2
    return nats / math.log(2)


def _sign_nats(dial: float, width: int) -> float:
    """E_w sum_k [b w_k tanh(b w_k) - log cosh(b w_k)], w uniform on the unit sphere of R^K."""
    if width == 1:
        x, weight = torch.ones(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    else:  # w_k = cos(angle), whose density is sin(angle)^(K - 2)
        angle = (torch.arange(ANGLES, dtype=torch.float64) + 0.5) * (math.pi / ANGLES)
        x, weight = angle.cos(), angle.sin() ** (width - 2)
    x = dial * x
    nats = x * torch.tanh(x) - torch.log(torch.cosh(x))
    return width * float((weight * nats).sum() / weight.sum())


def closed_information(config: PlantedConfig, modalities: Sequence[str]) -> float:
    """Closed form of I_A, averaged over which of the modalities an item has."""
    return sum(
        chance * closed_bits(config, closed_reliability(config, present))
        for chance, present in _patterns(config, modalities)
    )


def closed_split(config: PlantedConfig, pair: tuple[str, str]) -> PartialInformation:
    """Closed form of a pair's parts, group by group: the weaker source's share is redundant."""
    redundant, unique_a, unique_b, total = 0.0, 0.0, 0.0, 0.0
    for chance, present in _patterns(config, pair):
        a, b = (closed_reliability(config, [m] if m in present else []) for m in pair)
        union = closed_bits(config, {g: max(a.get(g, 0.0), b.get(g, 0.0)) for g in a | b})
        i1, i2 = closed_bits(config, a), closed_bits(config, b)
        redundant += chance * (i1 + i2 - union)
        unique_a += chance * (union - i2)
        unique_b += chance * (union - i1)
        total += chance * closed_bits(config, closed_reliability(config, present))
    synergistic = total - redundant - unique_a - unique_b
    return PartialInformation(redundant, (unique_a, unique_b), synergistic, total)


def _patterns(
    config: PlantedConfig, modalities: Sequence[str]
) -> list[tuple[float, tuple[str, ...]]]:
    """Chance of each subset of the modalities to be what an item has."""
    found = []
    for there in itertools.product((True, False), repeat=len(modalities)):
        rates = [config.missing.get(m, 0.0) for m in modalities]
        chance = math.prod(
            1 - rate if has else rate for rate, has in zip(rates, there, strict=True)
        )
        if chance > 0:
            found.append((chance, tuple(itertools.compress(modalities, there))))
    return found
