"""Options of a constructor, checked by name and type before anything is built."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Collection, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union

from mrdib_graph.errors import ConfigError
from mrdib_graph.resolver import suggest


def check_options(
    cls: Callable[..., Any],
    options: Mapping[str, Any],
    what: str,
    given: Collection[str] = (),
    also: Collection[str] = (),
) -> None:
    """Refuse options that a constructor does not have, or that are of another type.

    Args:
        cls: A class with type hints; a hint that is no plain type accepts everything.
        options: Names and plain values, as YAML reads them.
        what: What the options belong to, used in messages.
        given: Names that the caller sets itself.
        also: Names that the caller reads itself.

    Raises:
        ConfigError: An option is unknown (with the nearest one), set by the caller, or of another
            type.
    """
    parameters = inspect.signature(cls).parameters
    known = [*also, *(name for name in parameters if name not in given)]
    anything = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    hints = _hints(cls)
    for name, value in options.items():
        if name in given:
            raise ConfigError(f"{what}: option '{name}' has a place of its own; leave it out here")
        if name not in known and not anything:
            near = suggest(str(name), known) or "."
            raise ConfigError(
                f"{what}: option '{name}' is unknown{near} Options: {', '.join(known)}"
            )
        if name in hints and not fits(value, hints[name]):
            raise ConfigError(
                f"{what}: option '{name}' got {value!r}, expected {_readable(hints[name])}"
            )


def fits(value: object, hint: Any) -> bool:
    """Whether a plain value may stand where a type hint is written.

    A whole number is a ``float``, a truth value is no number, a list is a tuple.
    """
    origin = typing.get_origin(hint)
    if origin in (Union, UnionType):
        return any(fits(value, part) for part in typing.get_args(hint))
    if origin is Literal:
        return value in typing.get_args(hint)
    plain = origin or hint
    if plain is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if plain is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if plain in (str, bool, dict, NoneType, type):
        return isinstance(value, plain)
    if origin is not None and issubclass(origin, Mapping):
        return isinstance(value, Mapping)
    if origin is not None and issubclass(origin, Collection):
        return isinstance(value, list | tuple)
    return True


def _hints(cls: Callable[..., Any]) -> dict[str, Any]:
    function = cls.__init__ if inspect.isclass(cls) else cls
    try:
        return typing.get_type_hints(function)
    except NameError:  # written for type checkers alone
        return {}


def _readable(hint: Any) -> str:
    if typing.get_origin(hint) is Literal:
        return " or ".join(str(value) for value in typing.get_args(hint))
    if typing.get_origin(hint) in (Union, UnionType):
        return " or ".join(_readable(part) for part in typing.get_args(hint))
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    names |= {NoneType: "null"}
    return names.get(hint) or str(getattr(hint, "__name__", hint))
