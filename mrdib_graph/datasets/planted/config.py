"""Settings of the ``planted`` data set: dials, sizes and their checks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mrdib_graph.errors import ConfigError

SynergyKind = Literal["mask", "product"]

REDUNDANT, SYNERGY, COLLABORATIVE = "redundant", "synergy", "collaborative"
MIN_TRAINED_DEGREE = 3
"""The smallest degree that leaves a training, a validation and a test row."""

RESERVED = ("user", "item", "id")


def unique_group(modality: str) -> str:
    """Name of the group of factors that only this modality shows."""
    return f"unique_{modality}"


@dataclass(frozen=True)
class PlantedConfig:
    """All arguments of :class:`Planted`, which documents them; ``unique`` is spelled out here.

    Raises:
        ConfigError: An argument is out of range; the message names it.
    """

    num_users: int
    num_items: int
    num_interactions: int
    modalities: Mapping[str, int]
    factor_dim: int
    redundant: float
    unique: Mapping[str, float]
    synergy: float
    collaborative: float
    synergy_kind: SynergyKind
    kappa: float
    synergy_pair: tuple[str, str] | None
    irrelevant: float
    irrelevant_dim: int
    noise: float
    popularity_spread: float
    activity_spread: float
    min_degree: int
    missing: Mapping[str, float]
    cold_items: float
    seed: int

    def __post_init__(self) -> None:
        _check_sizes(self)
        _check_numbers(self)
        _check_names(self)
        _check_widths(self)

    @property
    def pair(self) -> tuple[str, str] | None:
        """The two modalities that hold the halves of the synergy; None with one modality."""
        if self.synergy_pair is not None:
            return self.synergy_pair
        names = list(self.modalities)
        return (names[0], names[1]) if len(names) > 1 else None

    def shown_groups(self, modality: str) -> list[str]:
        """Groups of factors that a modality's features show, in the order of its latents."""
        groups = [REDUNDANT, unique_group(modality)]
        return [*groups, SYNERGY] if self.pair and modality in self.pair else groups

    @property
    def dials(self) -> dict[str, float]:
        """Group of factors to its dial b_g."""
        dials = {REDUNDANT: self.redundant}
        dials |= {unique_group(m): self.unique[m] for m in self.modalities}
        if self.pair:
            dials[SYNERGY] = self.synergy
        return dials | {COLLABORATIVE: self.collaborative}


def _check_sizes(config: PlantedConfig) -> None:
    for name in ("num_users", "num_items", "num_interactions", "factor_dim"):
        if getattr(config, name) < 1:
            raise ConfigError(f"{name}: got {getattr(config, name)}, expected at least 1")
    if config.irrelevant_dim < 0:
        raise ConfigError(f"irrelevant_dim: got {config.irrelevant_dim}, expected 0 or more")
    if config.min_degree < MIN_TRAINED_DEGREE:
        raise ConfigError(
            f"min_degree: got {config.min_degree}, expected at least {MIN_TRAINED_DEGREE}: one "
            "row each for training, validation and test"
        )
    mean, cap = config.num_interactions / config.num_users, config.num_items // 4
    if mean < config.min_degree:
        raise ConfigError(
            f"num_interactions: {config.num_interactions} over {config.num_users} users are "
            f"{mean:.2f} each, below min_degree {config.min_degree}; raise num_interactions to "
            f"{config.min_degree * config.num_users} or more, or lower min_degree"
        )
    if mean > cap:
        raise ConfigError(
            f"num_items: a user takes at most a quarter of {config.num_items} items, {cap}, but "
            f"num_interactions asks for {mean:.2f} each; raise num_items or lower num_interactions"
        )


def _check_numbers(config: PlantedConfig) -> None:
    numbers = {name: getattr(config, name) for name in (REDUNDANT, SYNERGY, COLLABORATIVE)}
    numbers |= {f"unique of '{m}'": value for m, value in config.unique.items()}
    for name in ("kappa", "irrelevant", "noise", "popularity_spread", "activity_spread"):
        numbers[name] = getattr(config, name)
    for name, value in numbers.items():
        if not 0 <= value < math.inf:
            raise ConfigError(f"{name}: got {value}, expected a number from 0 up")
    for modality, rate in config.missing.items():
        if not 0 <= rate < 1 or round(rate * config.num_items) == config.num_items:
            raise ConfigError(
                f"missing of '{modality}': got {rate}, expected a share of items from 0 to below "
                "1 that leaves an item with features"
            )
    if not 0 <= config.cold_items <= 0.5:
        raise ConfigError(
            f"cold_items: got {config.cold_items}, expected a share of items from 0 to 0.5"
        )


def _check_names(config: PlantedConfig) -> None:
    known = list(config.modalities)
    if not known:
        raise ConfigError("modalities: got none, expected at least one name with its width")
    for name in known:
        if not name or name in RESERVED:
            raise ConfigError(
                f"modalities: {name!r} cannot name a modality; these are taken: {RESERVED}"
            )
    if config.synergy_kind not in ("mask", "product"):
        raise ConfigError(f"synergy_kind: got {config.synergy_kind!r}, expected 'mask', 'product'")
    if set(config.unique) != set(known):
        raise ConfigError(
            f"unique: got dials for {sorted(config.unique)}, expected one number, or one for each "
            f"of {known}"
        )
    unknown = set(config.missing) - set(known)
    if unknown:
        raise ConfigError(f"missing: got {sorted(unknown)}, expected names among {known}")
    if config.synergy > 0 and config.pair is None:
        raise ConfigError(
            f"synergy: got {config.synergy} with the one modality {known}; synergy needs two, so "
            "add a modality or set synergy to 0"
        )
    if config.pair and (len(set(config.pair)) != 2 or not set(config.pair) <= set(known)):
        raise ConfigError(
            f"synergy_pair: got {config.synergy_pair}, expected two different names among {known}"
        )


def _check_widths(config: PlantedConfig) -> None:
    for modality, width in config.modalities.items():
        latents = config.factor_dim * len(config.shown_groups(modality))
        if width < latents + config.irrelevant_dim:
            raise ConfigError(
                f"modalities: '{modality}' is {width} wide, expected at least "
                f"{latents + config.irrelevant_dim}: {latents} latents (factor_dim "
                f"{config.factor_dim} a group) and irrelevant_dim {config.irrelevant_dim}"
            )
