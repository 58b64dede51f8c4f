"""Names to objects: a name, a class, an instance or ``"file.py:Class"``, without a registry.

In the manner of ``torch_geometric.resolver``: the choices are the names that a package exports.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from mrdib_graph.errors import ConfigError, suggest
from mrdib_graph.options import check_options


def key(name: str) -> str:
    """A name without case, ``_``, ``-``, ``+`` and spaces: ``'Light_GCN'`` -> ``'lightgcn'``."""
    return re.sub(r"[\s_\-+]", "", name).lower()


def short_key(name: str, base: type) -> str:
    """The key without the last word of the base: ``'BPRLoss'`` of a ``RankingLoss``: ``'bpr'``."""
    words = re.findall("[A-Z][a-z]+", base.__name__)
    return key(name).removesuffix(words[-1].lower() if words else "") or key(name)


def choices(package: ModuleType, base: type) -> dict[str, type[Any]]:
    """The concrete classes below ``base`` that a package exports, by their short names."""
    found = {}
    for name in getattr(package, "__all__", dir(package)):
        value = getattr(package, name)
        if not inspect.isclass(value) or value is base or inspect.isabstract(value):
            continue
        if issubclass(value, base):
            found[short_key(name, base)] = value
    return found


def resolve_class(query: str | type, package: ModuleType, base: type, what: str) -> type[Any]:
    """The class that a query names.

    Args:
        query: A class, a name, or ``"path/file.py:Class"``.
        package: The package whose exports are the choices.
        base: The class that every choice inherits from.
        what: What is looked for, used in messages: ``'backbone'``.

    Raises:
        ConfigError: Nothing fits; the message lists the choices and the nearest one.
    """
    if inspect.isclass(query):
        if not issubclass(query, base):
            raise ConfigError(f"{what}: {query.__name__} is not a subclass of {base.__name__}")
        return query
    assert isinstance(query, str)
    path, colon, class_name = query.rpartition(":")
    if colon and path.endswith(".py"):
        return _class_from_file(Path(path), class_name, base, what)
    known = choices(package, base)
    if short_key(query, base) in known:
        return known[short_key(query, base)]
    names = f"{', '.join(sorted(known))}, or " if known else ""
    raise ConfigError(
        f"{what}: '{query}' is unknown{suggest(key(query), list(known)) or '.'} Choices: "
        f"{names}file.py:Class"
    )


def _class_from_file(path: Path, class_name: str, base: type, what: str) -> type[Any]:
    if not path.is_file():
        raise ConfigError(f"{what}: the file {path} does not exist")
    spec = importlib.util.spec_from_file_location(f"_file_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and type hints look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[spec.name]
        raise ConfigError(f"{what}: {path} cannot be imported: {error!r}") from error
    found = getattr(module, class_name, None)
    if not inspect.isclass(found) or not issubclass(found, base):
        classes = [
            name
            for name, value in vars(module).items()
            if inspect.isclass(value) and issubclass(value, base) and value is not base
        ]
        raise ConfigError(
            f"{what}: {path} has no {base.__name__} named '{class_name}'; it has: "
            f"{', '.join(classes) or 'none'}"
        )
    return found


def make(
    query: object,
    package: ModuleType,
    base: type,
    what: str,
    options: Mapping[str, Any] | None = None,
    **given: Any,
) -> Any:
    """An instance from a name, a class, ``"file.py:Class"``, or an instance as it is.

    Args:
        query: As :func:`resolve_class` takes it, or an instance of ``base``.
        package: The package whose exports are the choices.
        base: The class that every choice inherits from.
        what: What is looked for, used in messages.
        options: Options of the constructor, checked against its signature.
        given: Arguments that the caller sets itself.

    Raises:
        ConfigError: Nothing fits, an option is unknown, or an instance comes with options.
    """
    if isinstance(query, base):
        if options:
            raise ConfigError(
                f"{what}: options go with a name or a class; this {type(query).__name__} is made"
            )
        return query
    if not isinstance(query, str | type):
        raise ConfigError(f"{what}: got {query!r}, expected a name, a class or a {base.__name__}")
    return build(resolve_class(query, package, base, what), options or {}, what, **given)


def build(cls: Callable[..., Any], options: Mapping[str, Any], what: str, **given: Any) -> Any:
    """Call ``cls(**given, **options)`` after checking the options against its signature.

    Raises:
        ConfigError: An option is unknown, and the message names the nearest known one; or it is
            one that the library sets itself.
    """
    check_options(cls, options, what)
    taken = sorted(set(given) & set(options))
    if taken:
        raise ConfigError(f"{what}: option '{taken[0]}' follows from the data and cannot be set")
    return cls(**given, **options)
