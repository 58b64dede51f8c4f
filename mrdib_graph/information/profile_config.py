"""Settings of the information profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

from mrdib_graph.errors import ConfigError
from mrdib_graph.information.held_out_choices import MIN_INTERACTIONS, HeldOut
from mrdib_graph.information.knock_out import Kind
from mrdib_graph.information.probe import Target
from mrdib_graph.information.rules import Rule
from mrdib_graph.options import Count, Positive, checked


@checked
@dataclass(frozen=True)
class ProfileConfig:
    """How the information of codes is measured.

    Args:
        rule: ``'union'`` (Gaussian channel), ``'mmi'`` (min rule), ``'dependency'``,
            ``'gaussian'`` (closed form, no probe) or ``'broja_binned'`` (one bit, binned scores).
        target: ``'user'``, who chose; or ``'pair'``, whether the positive beats a sampled item,
            at most one bit, in which independent modalities look partly redundant.
        split: ``'test'``, ``'val'`` or ``'val+test'``.
        folds: Groups of users for cross-fitting.
        candidates: Sampled items for each held-out interaction.
        ridge: Penalty of the probe's re-weighting, or ``'auto'``: the best of 3, 30, 300 by the
            cross-fitted bits of all modalities.
        bootstrap: Draws of users for the intervals.
        refit: Refit overlaps in 20 draws of users; the intervals then cover them.  Without, the
            interval of the redundant part is widened by 0.02 bits on both sides.
        max_interactions: Held-out interactions above this number are subsampled.
        directions: Codes wider than this are turned to so many principal directions.
        pairs: Split every pair of modalities; needs two.
        knock_out: Replacements of the knock-out table: ``'mean'``, ``'shuffle'``, ``'noise'``.
        seed: Of folds, candidates and bootstrap.

    Raises:
        ConfigError: A value is out of range or unknown.
    """

    rule: Rule = "union"
    target: Target = "user"
    split: HeldOut = "test"
    folds: Annotated[int, Ge(2)] = 5
    candidates: Annotated[int, Ge(2)] = 16
    ridge: Positive | Literal["auto"] = 30.0
    bootstrap: Annotated[int, Ge(100)] = 1_000
    refit: bool = False
    max_interactions: Annotated[int, Ge(MIN_INTERACTIONS)] = 20_000
    directions: Count = 32
    pairs: bool = True
    knock_out: tuple[Kind, ...] = ("mean",)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rule == "gaussian" and self.target == "pair":
            raise ConfigError("target: rule 'gaussian' knows the target 'user' only")
