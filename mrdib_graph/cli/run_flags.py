"""Flags of a run's configuration, made from the dataclasses that hold it."""

from __future__ import annotations

import argparse
import inspect
import re
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union

from mrdib_graph.cli.exports import exported
from mrdib_graph.cli.parser import name_list
from mrdib_graph.errors import ConfigError
from mrdib_graph.experiment import config as configuration
from mrdib_graph.experiment.config import RunConfig, Settings
from mrdib_graph.training.trainer_config import TrainerConfig

_GROUPS: Mapping[str, tuple[tuple[type, str, tuple[str, ...]], ...]] = {
    "what to run": (
        (RunConfig, "", ("backbone", "arms", "seeds", "baselines", "metrics", "profile")),
    ),
    "data": ((RunConfig, "", ("dataset", "root", "split", "split_seed", "modalities")),),
    "training, of every backbone": (
        (
            TrainerConfig,
            "trainer.",
            ("epochs", "patience", "batch_size", "negatives", "num_negatives", "optimizer")
            + ("learning_rate", "schedule", "warmup_epochs", "clip_norm", "average", "autocast")
            + ("device", "loader", "num_neighbors", "callbacks"),
        ),
        (Settings, "", ("embedding_dim",)),
    ),
    "method, of every backbone": ((Settings, "", ("placement", "loss", "reg_fused")),),
    "output": ((RunConfig, "", ("out", "tracking_uri", "mlflow", "quiet")),),
}
"""Group of the help to dataclass, its place in :class:`Settings`, and fields that have a flag."""

_METHOD = {
    "estimator": "Mutual-information estimator of the arm mrdib.",
    "alpha_kl": "Weight of its kl term, or one for each modality: {text: 0.1, image: 0.2}.",
    "alpha_redundancy": "Weight of its redundancy term.",
    "alpha_unique": "Weight of its unique term.",
}
"""Options of MRdIB that have a flag."""

_EXPORTED = {
    "backbone": "backbones",
    "arms": "arms",
    "baselines": "baselines",
    "metrics": "metrics",
    "split": "splits",
    "dataset": "datasets",
    "estimator": "estimators",
    "loss": "losses",
    "negatives": "negatives",
}
"""Field to the kind of ``mrdib-graph list`` that it accepts, beside paths and files."""

_MORE = {
    "backbone": " 'all' for every one.",
    "baselines": " 'none' for none.",
    "out": " Default runs/<time>-<dataset>-<backbone>.",
}


class Suggestions(tuple[str, ...]):
    """Names for completion; what is no name may be a path, a file or a comma list."""

    def __contains__(self, _: object) -> bool:
        return True


class _Flag(NamedTuple):
    """One flag: where its value goes, its type and what the help says."""

    field: str
    key: str
    hint: Any
    help: str
    of_settings: bool


def add_config_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that :func:`read_config` reads, in groups."""
    for title, flags in _flags().items():
        group = parser.add_argument_group(title)
        for flag in flags:
            _add(group, flag)
    group = parser.add_argument_group("all settings")
    group.add_argument("--config", type=Path, metavar="FILE", help="Settings file (YAML).")
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="A.B=C",
        help="Any key, for example settings.vbpr.reg_fused=0.05 or dataset_options.seed=3.",
    )


def read_config(arguments: argparse.Namespace, stored: Path) -> RunConfig:
    """The configuration that the flags ask for.

    Args:
        arguments: What the parser read.
        stored: Folder of the stored settings.

    Raises:
        ConfigError: An unknown key, a wrong type or a value out of range.
    """
    given = vars(arguments)
    flags: list[tuple[str, Any]] = []
    shared: list[tuple[str, Any]] = []
    for flag in (flag for group in _flags().values() for flag in group):
        text = given[flag.field]
        if text is not None:
            value = (flag.key, _value(text, flag.hint))
            (shared if flag.of_settings else flags).append(value)
    assignments = []
    for assignment in given["set"]:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"--set {assignment}: expected KEY=VALUE")
        assignments.append((name, configuration.parse_value(text)))
    flags, assignments = (
        [(name, _names_of_all(name, value)) for name, value in pairs]
        for pairs in (flags, assignments)
    )
    return configuration.resolve(flags, arguments.config, stored, shared, assignments)


def argument_help(cls: type) -> dict[str, str]:
    """What the ``Args`` of a class say of each, on one line and without reST."""
    section = inspect.getdoc(cls).partition("\nArgs:\n")[2].partition("\n\n")[0]  # type: ignore[union-attr]
    found = re.findall(r"^    (\w+): (.+(?:\n     +.+)*)", section, re.MULTILINE)
    return {name: re.sub(r":\w+:|`|~[\w.]*\.", "", " ".join(text.split())) for name, text in found}


def _flags() -> dict[str, list[_Flag]]:
    found: dict[str, list[_Flag]] = {}
    for title, parts in _GROUPS.items():
        found[title] = [flag for part in parts for flag in _flags_of(*part)]
    found["method, of every backbone"] += [
        _Flag(name, f"arms.mrdib.{name}", str if name == "estimator" else Any, text, True)
        for name, text in _METHOD.items()
    ]
    return found


def _flags_of(cls: Any, place: str, names: tuple[str, ...]) -> Iterator[_Flag]:
    hints, texts = typing.get_type_hints(cls, include_extras=True), argument_help(cls)
    defaults = cls()
    for name in names:
        default = getattr(defaults, name)
        text = texts[name] + _MORE.get(name, "")
        if default not in (None, []) and not isinstance(default, bool):
            shown = ",".join(map(str, default)) if isinstance(default, list) else default
            text += f" Default {shown}."
        yield _Flag(name, place + name, _plain(hints[name]), text, cls is not RunConfig)


def _plain(hint: Any) -> Any:
    """A type hint without its range and without ``None``."""
    if typing.get_origin(hint) is Annotated:
        return _plain(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (Union, UnionType):
        return _plain(next(part for part in typing.get_args(hint) if part is not type(None)))
    if typing.get_origin(hint) is list:
        return list[_plain(typing.get_args(hint)[0])]  # type: ignore[misc]
    return hint


def _add(group: Any, flag: _Flag) -> None:
    name = flag.field.replace("_", "-")
    options: dict[str, Any] = {"dest": flag.field, "help": flag.help.replace("%", "%%")}
    if flag.hint is bool:  # the flag says the other of the two
        positive = flag.field == "quiet"
        options |= {"action": "store_const", "const": str(positive).lower()}
        if not positive:
            options["help"] = f"Turn off: {options['help']}"
        group.add_argument(f"--{name}" if positive else f"--no-{name}", **options)
        return
    if kind := _EXPORTED.get(flag.field):
        names = exported(kind)
        options["choices"] = Suggestions(names)
        options["help"] += f" Known: {', '.join(names)}"
    elif typing.get_origin(flag.hint) is Literal:
        options["choices"] = typing.get_args(flag.hint)
    aliases = ["--objective"] if flag.field == "arms" else []
    group.add_argument(f"--{name}", *aliases, metavar=_metavar(flag), **options)


def _metavar(flag: _Flag) -> str:
    if typing.get_origin(flag.hint) is Literal:
        return "{" + ",".join(map(str, typing.get_args(flag.hint))) + "}"
    known = {int: "N", float: "X", list[int]: "N,N", list[str]: "NAME,NAME", Any: "X"}
    return known.get(flag.hint) or {"out": "DIR", "root": "DIR", "tracking_uri": "URI"}.get(
        flag.field, "NAME"
    )


def _value(text: str, hint: Any) -> Any:
    if hint is str or typing.get_origin(hint) is Literal:
        return text
    if typing.get_origin(hint) is not list:
        return configuration.parse_value(text)
    parts = name_list(text)
    return parts if hint == list[str] else [configuration.parse_value(part) for part in parts]


def _names_of_all(key: str, value: Any) -> Any:
    if key == "baselines" and value == ["none"]:
        return []
    return list(exported("backbones")) if key == "backbone" and value == ["all"] else value
