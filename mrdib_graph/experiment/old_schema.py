"""Keys and files of schema version 1, where an arm was called an objective, as of today.

Version 1 has ``objective`` and ``settings.<backbone>.objectives`` in settings files, ``objective``
in ``results.json`` and in ``per_user.parquet``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mrdib_graph.errors import ConfigError


def configuration(content: Mapping[Any, Any]) -> dict[Any, Any]:
    """The content of a settings file or of ``config.yaml``.

    Raises:
        ConfigError: A key stands there by its old and by its new name.
    """
    renamed = _renamed(content, "objective")
    of_backbones = renamed.get("settings")
    if isinstance(of_backbones, Mapping):
        renamed["settings"] = {
            name: settings(own) if isinstance(own, Mapping) else own
            for name, own in of_backbones.items()
        }
    return renamed


def settings(content: Mapping[Any, Any]) -> dict[Any, Any]:
    """The settings of one backbone.

    Raises:
        ConfigError: As :func:`configuration`.
    """
    return _renamed(content, "objectives")


def _renamed(content: Mapping[Any, Any], old: str) -> dict[Any, Any]:
    if old in content and "arms" in content:
        raise ConfigError(
            f"configuration keys '{old}' and 'arms': one is the other; leave '{old}' out"
        )
    return {"arms" if name == old else name: value for name, value in content.items()}
