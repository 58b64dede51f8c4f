"""Settings of the ``planted`` data set: dials, sizes and their checks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Interval

from mrdib_graph.errors import ConfigError
from mrdib_graph.options import Count, NonNegativeInt, Probability, checked

SynergyKind = Literal["mask", "product"]

REDUNDANT, SYNERGY, COLLABORATIVE = "redundant", "synergy", "collaborative"
MIN_TRAINED_DEGREE = 3
"""The smallest degree that leaves a training, a validation and a test row."""

RESERVED = ("user", "item", "id")


def unique_group(modality: str) -> str:
    """Name of the group of factors that only this modality shows."""
    return f"unique_{modality}"


Dial = Annotated[float, Interval(ge=0, lt=math.inf)]
"""A finite number, 0 or more."""


@checked
@dataclass(frozen=True)
class PlantedConfig:
    """The arguments of :class:`Planted`.

    Args:
        num_users: U.
        num_items: I.
        num_interactions: Wanted E; rounding degrees moves it by a few.
        modalities: Name to width d_m of the features; image 128, text 64, audio 32 by default.
        factor_dim: K, factors a group.
        redundant: Dial of what all modalities show.
        unique: Dial of what one modality shows; a number, or one for each modality.
        synergy: Dial of what a pair shows together.
        collaborative: Dial of what no modality shows.
        synergy_kind: ``'mask'`` or ``'product'``.
        kappa: Strength of the key; one half explains 1 / (1 + kappa^2 + noise^2) of the factor.
        synergy_pair: The two modalities of the synergy; None for the first two.
        irrelevant: Deviation of the irrelevant directions.
        irrelevant_dim: Their number.
        noise: Deviation of the noise on features.
        popularity_spread: Deviation of log popularity.
        activity_spread: Deviation of log activity.
        min_degree: Smallest number of interactions of a user; the largest is I / 4.
        missing: Modality to the share of items, at random, without feature row.
        cold_items: Share of items without training rows; half of their rows go to validation,
            half to test.  A user may be left without training rows where the share is large.
        seed: Seed of the one generator that draws everything.

    Raises:
        ConfigError: An argument is out of range; the message names it.
    """

    num_users: Count = 2_000
    num_items: Count = 2_000
    num_interactions: Count = 24_000
    modalities: Mapping[str, Count] = field(
        default_factory=lambda: {"image": 128, "text": 64, "audio": 32}
    )
    factor_dim: Count = 2
    redundant: Dial = 1.0
    unique: Dial | Mapping[str, Dial] = 0.8
    synergy: Dial = 0.8
    collaborative: Dial = 0.7
    synergy_kind: SynergyKind = "mask"
    kappa: Dial = 1.5
    synergy_pair: tuple[str, str] | None = None
    irrelevant: Dial = 0.5
    irrelevant_dim: NonNegativeInt = 4
    noise: Dial = 0.3
    popularity_spread: Dial = 1.0
    activity_spread: Dial = 0.6
    min_degree: Annotated[int, Ge(MIN_TRAINED_DEGREE)] = 5
    missing: Mapping[str, Probability] = field(default_factory=dict)
    cold_items: Annotated[float, Interval(ge=0, le=0.5)] = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        _check_sizes(self)
        _check_names(self)
        _check_widths(self)

    @property
    def unique_dials(self) -> Mapping[str, float]:
        """Modality to the dial of what it alone shows."""
        if isinstance(self.unique, Mapping):
            return self.unique
        return dict.fromkeys(self.modalities, self.unique)

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
        dials |= {unique_group(m): self.unique_dials[m] for m in self.modalities}
        if self.pair:
            dials[SYNERGY] = self.synergy
        return dials | {COLLABORATIVE: self.collaborative}


def _check_sizes(config: PlantedConfig) -> None:
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


def _check_names(config: PlantedConfig) -> None:
    known = list(config.modalities)
    if not known:
        raise ConfigError("modalities: got none, expected at least one name with its width")
    for name in known:
        if not name or name in RESERVED:
            raise ConfigError(
                f"modalities: {name!r} cannot name a modality; these are taken: {RESERVED}"
            )
    if set(config.unique_dials) != set(known):
        raise ConfigError(
            f"unique: got dials for {sorted(config.unique_dials)}, expected one number, or one "
            f"for each of {known}"
        )
    if unknown := set(config.missing) - set(known):
        raise ConfigError(f"missing: got {sorted(unknown)}, expected names among {known}")
    for modality, rate in config.missing.items():
        if round(rate * config.num_items) == config.num_items:
            raise ConfigError(
                f"missing of '{modality}': got {rate}, expected a share that leaves an item with "
                "features"
            )
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
