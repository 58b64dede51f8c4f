"""Names of arms: MRdIB in its presets and ablations, and the controls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mrdib_graph import controls, mrdib, resolver
from mrdib_graph.controls import Control
from mrdib_graph.errors import ConfigError, suggest
from mrdib_graph.mrdib import MRdIB

PAPER: dict[str, Any] = {
    "estimator": "mine",
    "alpha_kl": 0.005,
    "alpha_redundancy": 0.05,
    "alpha_unique": 0.005,
    "mean": "linear",
    "decoder": "linear",
}
"""The method as published: MINE, the weights that the paper reports as best, every term."""


@dataclass(frozen=True)
class Preset:
    """An arm of the method by options that it sets.

    Args:
        sets: Options of MRdIB; the arm's own settings win over them.
        ablation: Whether it starts from the arm mrdib as that is set.
        fills: Options that it sets where the arm mrdib has none or 0 of them.
        needs: An option that the arm mrdib must have above 0, since this arm leaves it out.
    """

    sets: Mapping[str, Any] = field(default_factory=dict)
    ablation: bool = False
    fills: Mapping[str, Any] = field(default_factory=dict)
    needs: str | None = None


PRESETS = {
    "mrdib": Preset(),
    "paper": Preset(PAPER),
    "mib": Preset(  # a bottleneck without kl compresses nothing
        {"alpha_redundancy": 0.0, "alpha_unique": 0.0},
        ablation=True,
        fills={"alpha_kl": PAPER["alpha_kl"]},
    ),
    "no-kl": Preset({"alpha_kl": 0.0}, ablation=True, needs="alpha_kl"),
    "no-redundancy": Preset({"alpha_redundancy": 0.0}, ablation=True),
    "no-unique": Preset({"alpha_unique": 0.0}, ablation=True),
}
"""Arms of the method: all but ``paper`` start from the settings of ``mrdib``."""

LATE = "-late"
"""Added to a name: the same on a :class:`~mrdib_graph.LateFusion`."""

METHOD = ("mrdib", f"mrdib{LATE}")
"""The arms that every control is compared with."""


def _words(name: str) -> str:
    """A class name as an arm's: ``'IDDropout'`` -> ``'id-dropout'``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


CONTROLS = tuple(_words(name) for name in controls.__all__ if name != "Control")
"""Names of the library's controls."""

ARMS = ("bare", *PRESETS, *CONTROLS)
"""Names of arms; each can be had on late fusion too, and a control from a file beside them."""


@dataclass(frozen=True)
class ArmName:
    """A name as it is written in settings and flags, taken apart.

    Attributes:
        base: The arm without :data:`LATE`; of a class in a file, its key.
        late: Whether late fusion is asked for.
        part: MRdIB or the control; None for ``bare``.
        preset: What it sets; nothing for a control.
    """

    base: str
    late: bool
    part: type[MRdIB] | type[Control] | None
    preset: Preset

    @property
    def full(self) -> str:
        """With :data:`LATE` where it is asked for."""
        return f"{self.base}{LATE}" if self.late else self.base


def read_name(name: str) -> ArmName:
    """Take a name apart.

    Raises:
        ConfigError: It is unknown; the message has the nearest one and the choices.
    """
    plain = name.removesuffix(LATE)
    late = plain != name
    if ".py:" in plain:
        control = resolver.resolve_class(plain, controls, Control, "arms")
        return ArmName(resolver.key(control.__name__), late, control, Preset())
    base = {resolver.key(arm): arm for arm in ARMS}.get(resolver.key(plain))
    if base is None:
        near = suggest(name.lower(), list(ARMS)) or "."
        raise ConfigError(
            f"arms: '{name}' is unknown{near} Choices: {', '.join(ARMS)}, each also with {LATE}, "
            "or file.py:Class of a control"
        )
    if base == "bare" or base in PRESETS:
        part = None if base == "bare" else MRdIB
        return ArmName(base, late, part, PRESETS.get(base, Preset()))
    return ArmName(base, late, resolver.resolve_class(base, controls, Control, "arms"), Preset())


def part_of(arm: ArmName, own: Mapping[str, Any]) -> type[MRdIB] | type[Control] | None:
    """The part of an arm: that of its name, or the variant of MRdIB that its settings name.

    Raises:
        ConfigError: The variant is unknown, or the arm is none of the method.
    """
    if own.get("part") is None:
        return arm.part
    if arm.part is not MRdIB:
        raise ConfigError(f"arm {arm.base}: part: only arms of the method have variants of MRdIB")
    variant: type[MRdIB] = resolver.resolve_class(
        own["part"], mrdib, MRdIB, f"arm {arm.base}: part"
    )
    return variant
