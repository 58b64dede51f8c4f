"""Tastes, item factors and features of the ``planted`` data set, drawn in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mrdib_graph.datasets.planted.config import SYNERGY, PlantedConfig


@dataclass(frozen=True)
class Factors:
    """What users like and what items are.

    Shapes:
        ``log_popularity`` [I]; per group of factors ``tastes`` [U, K], of norm 1, and ``items``
        [I, K]; ``shown`` modality -> group -> the latents [I, K] that its features show.
    """

    log_popularity: Tensor
    tastes: dict[str, Tensor]
    items: dict[str, Tensor]
    shown: dict[str, dict[str, Tensor]]

    def joint(self, dials: Mapping[str, float]) -> tuple[Tensor, Tensor]:
        """Tables [U, D] and [I, D] whose inner product is s(u, i) = sum_g b_g t_g(u, i)."""
        users = torch.cat([dial * self.tastes[group] for group, dial in dials.items()], dim=1)
        return users, torch.cat([self.items[group] for group in dials], dim=1)


@dataclass(frozen=True)
class Features:
    """Features of one modality, a row for every item, also where it is missing.

    Shapes:
        ``x`` [I, d_m] float32; ``present`` [I] bool; ``views`` group -> the noisy latents [I, K]
        that the best linear reading of ``x`` gives.
    """

    x: Tensor
    present: Tensor
    views: dict[str, Tensor]


def draw_factors(config: PlantedConfig, generator: torch.Generator) -> Factors:
    """Popularity, tastes on the unit sphere, and the item factors of every group."""
    users, items, width = config.num_users, config.num_items, config.factor_dim
    log_popularity = config.popularity_spread * _normal(items, generator=generator)
    tastes, factors = {}, {}
    for group in config.dials:
        taste = _normal(users, width, generator=generator)
        tastes[group] = taste / taste.norm(dim=1, keepdim=True)
        factors[group] = _normal(items, width, generator=generator)
    shown = {
        m: {g: factors[g] for g in config.shown_groups(m) if g != SYNERGY}
        for m in config.modalities
    }
    if config.pair:
        second_draw = _normal(items, width, generator=generator)
        factor, halves = _split_synergy(config, factors[SYNERGY], second_draw)
        factors[SYNERGY] = factor
        for modality, half in zip(config.pair, halves, strict=True):
            shown[modality][SYNERGY] = half
    return Factors(log_popularity, tastes, factors, shown)


def _split_synergy(
    config: PlantedConfig, first: Tensor, second: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """The synergy factor [I, K] and its two halves, from two normal draws."""
    if config.synergy_kind == "mask":
        key = config.kappa * second
        return first, (first + key, first - key)
    signs = (_sign(first), _sign(second))
    return signs[0] * signs[1], signs


def _sign(x: Tensor) -> Tensor:
    return (x >= 0).to(x.dtype) * 2 - 1


def draw_features(
    config: PlantedConfig, modality: str, factors: Factors, generator: torch.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """Features x = Q [l; irrelevant nu] + noise eps, and the noisy view Q^T x of each latent.

    Returns:
        ``x`` [I, d_m] float32, and group -> view [I, K].
    """
    shown = factors.shown[modality]
    nuisance = _normal(config.num_items, config.irrelevant_dim, generator=generator)
    latents = torch.cat([*shown.values(), config.irrelevant * nuisance], dim=1)
    width = config.modalities[modality]
    basis = torch.linalg.qr(_normal(width, latents.size(1), generator=generator)).Q
    noise = _normal(config.num_items, width, generator=generator)
    x = latents @ basis.T + config.noise * noise
    views = (x @ basis)[:, : len(shown) * config.factor_dim].split(config.factor_dim, dim=1)
    return x.float(), dict(zip(shown, views, strict=True))


def draw_presence(config: PlantedConfig, modality: str, generator: torch.Generator) -> Tensor:
    """Which items have the modality [I]; a random share given by ``missing`` has not."""
    present = torch.ones(config.num_items, dtype=torch.bool)
    order = torch.randperm(config.num_items, generator=generator)
    present[order[: round(config.missing.get(modality, 0.0) * config.num_items)]] = False
    return present


def _normal(*shape: int, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=generator)
