"""Options of constructors: ranges in their type hints, checked in one place.

    class Layer(Module):
        @checked
        def __init__(self, width: Count, rate: Probability, kind: Literal["sum", "mean"]) -> None:

Numbers carry their range as an annotation of ``annotated_types``; texts their choices as a
``Literal``.  :func:`checked` refuses a value that does not fit when the constructor is called,
:func:`check_options` refuses names and values of a settings file before anything is built.
"""

from __future__ import annotations

import functools
import inspect
import numbers
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Concatenate, Literal, ParamSpec, TypeVar, Union

from annotated_types import Ge, Gt, Interval, Le, Lt

from mrdib_graph.errors import ConfigError, suggest

Count = Annotated[int, Ge(1)]
"""A whole number, 1 or more."""

NonNegativeInt = Annotated[int, Ge(0)]
"""A whole number, 0 or more."""

Positive = Annotated[float, Gt(0)]
"""A number above 0."""

NonNegative = Annotated[float, Ge(0)]
"""A number, 0 or more."""

Seed = Annotated[int, Interval(ge=0, lt=2**32)]
"""A seed of every generator there is."""

Share = Annotated[float, Interval(ge=0, le=1)]
"""A number from 0 to 1."""

Probability = Annotated[float, Interval(ge=0, lt=1)]
"""A probability below 1."""

_Target = TypeVar("_Target", bound=Callable[..., Any])
_Config = TypeVar("_Config")
_Options = ParamSpec("_Options")


def checked(function: _Target) -> _Target:
    """Check every argument against its type hint when the function is called.

    Stands above an ``__init__``, above a dataclass, whose fields are then checked, or above any
    function whose arguments a person writes.  Hints that are no number, no ``Literal`` and no
    collection of such are not looked at.

    Raises:
        ConfigError: At the call: the argument, what came and what was expected.
    """
    if inspect.isclass(function):
        function.__init__ = checked(function.__init__)  # type: ignore[method-assign]
        return function
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:  # Python's own message names the argument that is missing or unknown
            return function(*args, **kwargs)
        for name, hint in _hints(function).items():
            if name in given and (wrong := mismatch(name, given[name], hint, numbers_only=True)):
                raise ConfigError(wrong)
        return function(*args, **kwargs)

    return typing.cast(_Target, call)


def options_of(
    config: Callable[_Options, _Config], what: str
) -> Callable[[Callable[[Any, _Config], None]], Callable[Concatenate[Any, _Options], None]]:
    """Let a constructor take the fields of a dataclass as its own arguments.

    The constructor below receives the dataclass, whose fields and defaults are its signature.

    Args:
        config: The dataclass, checked by :func:`checked`.
        what: What is constructed, used in messages.

    Raises:
        ConfigError: At the call: an argument is unknown, with the nearest one, or does not fit.
    """

    def decorate(
        init: Callable[[Any, _Config], None],
    ) -> Callable[Concatenate[Any, _Options], None]:
        def call(self: Any, /, *args: _Options.args, **kwargs: _Options.kwargs) -> None:
            known = inspect.signature(config).parameters
            check_options(config, {k: v for k, v in kwargs.items() if k not in known}, what)
            init(self, config(*args, **kwargs))

        functools.update_wrapper(call, config.__init__)  # whose signature is now this one's
        return call

    return decorate


def check_options(
    cls: Callable[..., Any],
    options: Mapping[str, Any],
    what: str,
    given: Collection[str] = (),
    also: Collection[str] = (),
) -> None:
    """Refuse options that a constructor does not have, or that do not fit its type hints.

    Args:
        cls: A class or function with type hints; a hint that is no plain type accepts everything.
        options: Names and plain values, as YAML reads them.
        what: What the options belong to, used in messages.
        given: Names that the caller sets itself.
        also: Names that the caller reads itself.

    Raises:
        ConfigError: An option is unknown (with the nearest one), set by the caller, of another
            type or out of range.
    """
    found = parameters(cls)
    known = [*also, *(name for name in found if name not in given)]
    anything = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in found.values())
    hints = {name: parameter.annotation for name, parameter in found.items()}
    for name, value in options.items():
        if name in given:
            raise ConfigError(f"{what}: option '{name}' has a place of its own; leave it out here")
        if name not in known and not anything:
            near = suggest(str(name), known) or "."
            raise ConfigError(
                f"{what}: option '{name}' is unknown{near} Options: {', '.join(known)}"
            )
        if name in hints and (wrong := mismatch(f"option '{name}'", value, hints[name])):
            raise ConfigError(f"{what}: {wrong}")


def parameters(cls: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """What a class or function can be given, each with its type hint as annotation.

    ``**more`` of a constructor stands for what the constructor of the base class takes: that is
    how a class hands on options that it does not read.  One that is an ``Unpack`` of a
    ``TypedDict`` stands for its keys.
    """
    bases = inspect.getmro(cls)[:-1] if inspect.isclass(cls) else ()
    makers = [vars(base)["__init__"] for base in bases if "__init__" in vars(base)]
    found: dict[str, inspect.Parameter] = {}
    rest: dict[str, inspect.Parameter] = {}
    for make in makers or [cls]:
        hints, rest = _hints(make), {}
        for name, parameter in inspect.signature(make).parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                named = _unpacked(hints.get(name))
                found |= {k: p for k, p in named.items() if k not in found}
                rest = {} if named else {name: parameter}
            elif parameter.kind is not parameter.VAR_POSITIONAL and name != "self":
                found.setdefault(name, parameter.replace(annotation=hints.get(name, Any)))
        if not rest:
            break
    return found | rest


def _unpacked(hint: Any) -> dict[str, inspect.Parameter]:
    """The keys of ``Unpack[...]`` as parameters; none for another hint."""
    if typing.get_origin(hint) is not typing.Unpack:
        return {}
    (keys,), found = typing.get_args(hint), {}
    for name, of_key in typing.get_type_hints(keys, include_extras=True).items():
        if typing.get_origin(of_key) is typing.NotRequired:
            (of_key,) = typing.get_args(of_key)
        kind = inspect.Parameter.KEYWORD_ONLY
        found[name] = inspect.Parameter(name, kind, annotation=of_key)
    return found


def mismatch(name: str, value: object, hint: Any, numbers_only: bool = False) -> str:
    """What is wrong with a value where a type hint is written; empty where it fits.

    A whole number is a ``float``, a truth value is no number, a list is a tuple.

    Args:
        name: Of the argument, used in the sentence.
        value: What came.
        hint: Its type hint.
        numbers_only: Look at numbers, ``Literal`` and collections of them only.
    """
    if _fits(value, hint, numbers_only):
        return ""
    if isinstance(value, Mapping) and (of_value := _mapping_hint(hint)) is not None:
        for key, each in value.items():  # name the entry, not the whole mapping
            if wrong := mismatch(f"{name}[{key!r}]", each, of_value, numbers_only):
                return wrong
    names = [part for part in typing.get_args(hint) if isinstance(part, str)]
    near = suggest(value, names) if isinstance(value, str) else ""
    shown = repr(value)
    shown = f"{shown[:200]} ..." if len(shown) > 200 else shown
    return f"{name}: got {shown}, expected {readable(hint)}{near}"


def readable(hint: Any) -> str:
    """A type hint in words: ``a whole number, 1 or more``, ``sum or mean``, ``0 or more``."""
    origin = typing.get_origin(hint)
    if origin is Annotated:
        plain, *marks = typing.get_args(hint)
        ranges = [_range(mark) for mark in marks]
        return ", ".join([readable(int), *ranges] if plain is int else ranges) or readable(plain)
    if origin is Literal:
        return _either([str(value) for value in typing.get_args(hint)])
    if origin in (Union, UnionType):
        return _either([readable(part) for part in typing.get_args(hint)])
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return f"names, each with {readable(typing.get_args(hint)[-1])}"
    if inspect.isclass(origin) and issubclass(origin, Collection):
        return f"a list, each {readable(typing.get_args(hint)[0])}"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    names |= {NoneType: "null"}
    return names.get(hint) or str(getattr(hint, "__name__", hint))


def _fits(value: object, hint: Any, numbers_only: bool) -> bool:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _fits(value, parts[0], False) and all(_inside(value, mark) for mark in parts[1:])
    if origin in (Union, UnionType):
        return any(_fits(value, part, numbers_only) for part in parts)
    if origin is Literal:
        return isinstance(value, str | int | None) and value in parts
    if hint in (int, float):
        kind = numbers.Integral if hint is int else numbers.Real
        return isinstance(value, kind) and not isinstance(value, bool)
    if inspect.isclass(origin) and issubclass(origin, Collection):
        each = parts[0] if parts[-1] is Ellipsis else parts[-1]  # of a tuple, or of a mapping
        return _fits_each(value, origin, each, numbers_only)
    if hint in (str, bool, dict, NoneType, type) or origin is type:
        hint = origin or hint
        return (numbers_only and hint is not NoneType) or isinstance(value, hint)
    return True


def _fits_each(value: object, kind: type, hint: Any, numbers_only: bool) -> bool:
    if issubclass(kind, Mapping):
        if not isinstance(value, Mapping):
            return False
        return all(_fits(each, hint, numbers_only) for each in value.values())
    if isinstance(value, list | tuple):
        return all(_fits(each, hint, numbers_only) for each in value)
    # a tensor, an array, a set: the constructor's own affair; a settings file has lists
    return numbers_only and not isinstance(value, str | Mapping)


def _mapping_hint(hint: Any) -> Any:
    """The hint of a mapping's values, where a mapping may stand; else None."""
    for part in (hint, *typing.get_args(hint)):
        origin = typing.get_origin(part)
        if inspect.isclass(origin) and issubclass(origin, Mapping):
            return typing.get_args(part)[-1]
    return None


def _inside(value: Any, mark: Any) -> bool:
    lows = [value >= b for b in (getattr(mark, "ge", None),) if b is not None]
    lows += [value > b for b in (getattr(mark, "gt", None),) if b is not None]
    highs = [value <= b for b in (getattr(mark, "le", None),) if b is not None]
    highs += [value < b for b in (getattr(mark, "lt", None),) if b is not None]
    return all(lows + highs)


def _range(mark: Any) -> str:
    match mark:
        case Ge(ge=low):
            return f"{low} or more"
        case Gt(gt=low):
            return f"more than {low}"
        case Le(le=high):
            return f"at most {high}"
        case Lt(lt=high):
            return f"below {high}"
        case Interval(ge=0, gt=None, le=None, lt=1):
            return "a probability below 1"
        case Interval(ge=low, gt=None, le=high, lt=None):
            return f"{low} to {high}"
        case Interval():
            low = f"more than {mark.gt}" if mark.gt is not None else f"{mark.ge} or more"
            high = f"below {mark.lt}" if mark.lt is not None else f"at most {mark.le}"
            return f"{low} and {high}"
    return str(mark)


def _either(parts: Sequence[str]) -> str:
    """``a, b or c``."""
    parts = list(dict.fromkeys(parts))
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}"


@functools.cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Type hints by argument; those written for type checkers alone are left out."""
    function = inspect.unwrap(function)
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError:
        found: dict[str, Any] = {}
        for name, hint in getattr(function, "__annotations__", {}).items():
            holder = type("_One", (), {"__annotations__": {name: hint}})
            try:
                module = vars(inspect.getmodule(function))
                found |= typing.get_type_hints(holder, module, include_extras=True)
            except NameError:
                continue
        return found
