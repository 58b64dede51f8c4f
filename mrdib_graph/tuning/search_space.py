"""Which settings a search tries, read from YAML."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mrdib_graph.errors import ConfigError
from mrdib_graph.options import check_options, checked

PARTS = ("every", "losses", "arms", "backbones")
_ZERO = "{} is 0"


class Suggests(Protocol):
    """What a dimension needs of a trial; :class:`optuna.Trial` has it."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """A number in a range."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of several values."""


@checked
@dataclass(frozen=True)
class Range:
    """Numbers from low to high.

    Args:
        low: Lower end.
        high: Upper end.
        log: Uniform in the logarithm; else in the number itself.
        zero: Whether 0 is tried beside the range, as a category of its own: a weight's search must
            be able to find its term useless.

    Raises:
        ConfigError: The ends are in the wrong order, not finite, or not positive where they must.
    """

    low: float
    high: float
    log: bool = True
    zero: bool = False

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.low, self.high))) or not self.low < self.high:
            raise ConfigError(f"low, high: got {self.low}, {self.high}, expected low < high")
        for name in ("log", "zero"):
            if getattr(self, name) and not self.low > 0:
                raise ConfigError(f"low: got {self.low}, expected more than 0 with {name}: true")

    def suggest(self, trial: Suggests, key: str) -> float:
        """A value for a trial."""
        if self.zero and trial.suggest_categorical(_ZERO.format(key), [False, True]):
            return 0.0
        return float(trial.suggest_float(key, self.low, self.high, log=self.log))

    def fixed(self, key: str, value: object) -> dict[str, Any]:
        """Parameters of a trial that give this value; empty where the space lacks it."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return {}
        if self.zero and value == 0:
            return {_ZERO.format(key): True}
        if not self.low <= value <= self.high:
            return {}
        return ({_ZERO.format(key): False} if self.zero else {}) | {key: float(value)}

    def samples(self) -> list[Any]:
        """Values to check before anything is trained."""
        return [self.low, self.high, *([0.0] if self.zero else [])]


@dataclass(frozen=True)
class Choice:
    """One of several plain values.

    Raises:
        ConfigError: There is none, one comes twice, or one is no plain value.
    """

    values: tuple[bool | int | float | str | None, ...]

    def __post_init__(self) -> None:
        if not self.values or len({repr(v) for v in self.values}) < len(self.values):
            raise ConfigError(f"choices: got {list(self.values)}, expected different values")

    def suggest(self, trial: Suggests, key: str) -> Any:
        """A value for a trial."""
        return trial.suggest_categorical(key, list(self.values))

    def fixed(self, key: str, value: object) -> dict[str, Any]:
        """Parameters of a trial that give this value; empty where the space lacks it."""
        return {key: value} if value in self.values else {}

    def samples(self) -> list[Any]:
        """Values to check before anything is trained."""
        return list(self.values)


Dimension = Range | Choice
Dimensions = dict[str, Dimension]
"""An arm's own setting (``reg_fused``, ``alpha_kl``, ``backbone_options.mix``) to its values."""


@dataclass(frozen=True)
class SearchSpace:
    """Dimensions of every arm of every backbone.

    A file has four parts, each of which may be absent: ``every`` (all arms), ``losses`` (ranking
    loss to what is tried with it), ``arms`` (arm to its own), ``backbones`` (backbone to the first
    three of its own).  A dimension is a list
    of values or a mapping with ``low``, ``high``, ``log``, ``zero``; null takes one away.

    Args:
        content: The file's content.
        source: Its name, for messages.

    Raises:
        ConfigError: A part or dimension is malformed.
    """

    content: Mapping[str, Any]
    source: str = "search space"

    def __post_init__(self) -> None:
        _check_parts(self.content, PARTS, self.source)
        for arm in _mapping(self.content.get("arms"), f"{self.source}: arms"):
            self.of("", arm)
        for loss in _mapping(self.content.get("losses"), f"{self.source}: losses"):
            self.of("", loss=loss)
        self.of("", "")
        backbones = _mapping(self.content.get("backbones"), f"{self.source}: backbones")
        for name, own in backbones.items():
            where = f"{self.source}: backbones.{name}"
            _check_parts(_mapping(own, where), PARTS[:3], where)
            for arm in ("", *_mapping(_mapping(own, where).get("arms"), f"{where}.arms")):
                self.of(name, arm)

    @classmethod
    def load(cls, path: Path) -> SearchSpace:
        """Read a file.

        Raises:
            ConfigError: It cannot be read, is no YAML, or is malformed.
        """
        from omegaconf import OmegaConf  # reads 1e-3 as a number, which PyYAML does not

        try:
            content: Any = OmegaConf.to_container(OmegaConf.load(path))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from error
        except Exception as error:  # yaml raises a family of its own
            text = " ".join(str(error).split())
            raise ConfigError(f"{path}: not valid YAML: {text}") from error
        return cls(_mapping(content, str(path)), str(path))

    def of(self, backbone: str, *arms: str, loss: str | None = None) -> Dimensions:
        """The dimensions of an arm of a backbone, named as the keys of ``settings`` are.

        Of several arms each adds to those before it, or replaces or takes away.
        """
        found: Dimensions = {}
        own = _mapping(self.content.get("backbones"), "backbones").get(backbone)
        for part in (self.content, _mapping(own, backbone)):
            own_of = _mapping(part.get("arms"), f"{self.source}: arms")
            named = [(arm, own_of.get(arm)) for arm in arms]
            if loss is not None:
                of_losses = _mapping(part.get("losses"), f"{self.source}: losses")
                named.insert(0, (loss, of_losses.get(loss)))
            for name, content in (("every", part.get("every")), *named):
                where = f"{self.source}: {name}"
                for key, value in _mapping(content, where).items():
                    found.pop(key, None)
                    if value is not None:
                        found[key] = _dimension(value, f"{where}.{key}")
        return found


def _dimension(value: object, where: str) -> Dimension:
    if isinstance(value, list):
        kind: type[Dimension] = Choice
        options: Mapping[str, Any] = {"values": tuple(value)}
    elif isinstance(value, Mapping) and {"low", "high"} <= set(value):
        kind, options = Range, value
    else:
        raise ConfigError(f"{where}: got {value!r}, expected a list, or low and high")
    check_options(kind, options, where)
    try:
        return kind(**options)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: expected keys and values, got {value!r}")
    return value


def _check_parts(content: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    unknown = sorted(set(map(str, content)) - set(known))
    if unknown:
        raise ConfigError(f"{where}: '{unknown[0]}' is unknown. Known: {', '.join(known)}")
