"""Settings of the information profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mrdib_graph.errors import ConfigError, suggest
from mrdib_graph.information.held_out_choices import HELD_OUT
from mrdib_graph.information.knock_out import KINDS, Kind
from mrdib_graph.information.probe import Target
from mrdib_graph.information.rules import RULES, Rule


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
    split: str = "test"
    folds: int = 5
    candidates: int = 16
    ridge: float | Literal["auto"] = 30.0
    bootstrap: int = 1_000
    refit: bool = False
    max_interactions: int = 20_000
    directions: int = 32
    pairs: bool = True
    knock_out: tuple[Kind, ...] = ("mean",)
    seed: int = 0

    def __post_init__(self) -> None:
        _one_of("rule", self.rule, RULES)
        _one_of("target", self.target, ("user", "pair"))
        _one_of("split", self.split, HELD_OUT)
        for kind in self.knock_out:
            _one_of("knock_out", kind, KINDS)
        least = {"folds": 2, "candidates": 2, "bootstrap": 100}
        least |= {"max_interactions": 500, "directions": 1}
        for name, low in least.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < low:
                raise ConfigError(f"{name}: got {value!r}, expected an integer from {low}")
        ridge = self.ridge
        if ridge != "auto" and not (isinstance(ridge, int | float) and ridge > 0):
            raise ConfigError(f"ridge: got {ridge!r}, expected a number above 0 or 'auto'")
        if self.rule == "gaussian" and self.target == "pair":
            raise ConfigError("target: rule 'gaussian' knows the target 'user' only")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(
            f"{name}: got {value!r}, expected one of {', '.join(known)}"
            f"{suggest(str(value), list(known))}"
        )
