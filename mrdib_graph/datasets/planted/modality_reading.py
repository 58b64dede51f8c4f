r"""What a set of modalities of ``planted`` shows of each group of factors.

A *reading* holds the posterior mean of each factor given the noisy latents, and its reliability
:math:`\rho_g^2`, the share of the factor's variance that is explained.  Tastes are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mrdib_graph.datasets.planted.config import REDUNDANT, SYNERGY, PlantedConfig, unique_group
from mrdib_graph.datasets.planted.generator import PlantedDraws


class GroupReading(NamedTuple):
    """Posterior mean [I, K] of a group of factors and its reliability [I], in [0, 1]."""

    mean: Tensor
    reliability: Tensor


Reading = dict[str, GroupReading]
"""Group of factors to what is read of it."""


def read(config: PlantedConfig, draws: PlantedDraws, modalities: Sequence[str]) -> Reading:
    """The best reading of all content groups from the modalities together."""
    have = {m: draws.features[m].present[:, None].double() for m in modalities}
    views = {m: draws.features[m].views for m in modalities}
    noise = config.noise**2
    zero = torch.zeros(config.num_items, config.factor_dim, dtype=torch.float64)

    count = sum(have.values(), zero[:, :1])
    total = sum((have[m] * views[m][REDUNDANT] for m in modalities), zero)
    # An item that nobody shows reads 0, also where the noise is 0 and 0 / 0 would be asked for.
    denominator = torch.where(count > 0, count + noise, 1.0)
    reading = {REDUNDANT: GroupReading(total / denominator, (count / denominator).squeeze(1))}
    for m in modalities:
        group = unique_group(m)
        share = have[m] / (1 + noise)
        reading[group] = GroupReading(share * views[m][group], share.squeeze(1))
    halves = {m: views[m][SYNERGY] for m in config.pair or () if m in modalities}
    if halves:
        reading[SYNERGY] = _read_synergy(config, halves, have, zero)
    return reading


def _read_synergy(
    config: PlantedConfig, halves: dict[str, Tensor], have: dict[str, Tensor], zero: Tensor
) -> GroupReading:
    noise = config.noise**2
    alone, reliability = zero, zero[:, :1]
    if config.synergy_kind == "mask":
        leak = 1 / (1 + config.kappa**2 + noise)
        for m, half in halves.items():
            alone, reliability = alone + leak * have[m] * half, reliability + leak * have[m]
    if len(halves) < 2:
        return GroupReading(alone, reliability.squeeze(1))
    (first, second), (a, b) = halves.values(), halves
    if config.synergy_kind == "mask":
        joint, explained = (first + second) / (2 + noise), 1 / (1 + noise / 2) + zero[:, :1]
    else:
        joint = torch.tanh(first / noise) * torch.tanh(second / noise)
        explained = joint.square().mean(1, keepdim=True)
    both = have[a] * have[b] > 0
    return GroupReading(
        torch.where(both, joint, alone), torch.where(both, explained, reliability).squeeze(1)
    )


def read_either(first: Reading, second: Reading) -> Reading:
    """What two sources tell without being joined: each group from ``first`` where it shows it."""
    union = dict(second)
    for group, (mean, reliability) in first.items():
        if group not in second:
            union[group] = GroupReading(mean, reliability)
            continue
        shown = reliability > 0
        union[group] = GroupReading(
            torch.where(shown[:, None], mean, second[group].mean),
            torch.where(shown, reliability, second[group].reliability),
        )
    return union


def score_tables(
    dials: Mapping[str, float], draws: PlantedDraws, reading: Reading
) -> tuple[Tensor, Tensor, Tensor]:
    """User and item tables [U, D], [I, D] and item offset [I] of the log ratio that is read.

    s_A(u, i) = sum_g [b_g <w_g(u), E f_g(i)> + b_g^2 (1 - rho_g^2(i)) / 2]; the second part, the
    spread that is left in e^s, differs over items only where a modality is missing.
    """
    users = torch.cat([dials[g] * draws.factors.tastes[g] for g in reading], dim=1)
    items = torch.cat([reading[g].mean for g in reading], dim=1)
    offset = sum(
        (dials[g] ** 2 * (1 - reading[g].reliability) / 2 for g in reading),
        torch.zeros(len(items), dtype=torch.float64),
    )
    return users, items, offset
