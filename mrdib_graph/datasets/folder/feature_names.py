"""Which feature file belongs to which modality."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError

SUFFIX = "_feat.npy"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*", re.ASCII)


def check_modality(name: str, place: str) -> str:
    """The name, refused where it cannot name a file or would hide a node type.

    Raises:
        DataError: It holds other characters than letters, digits, ``_``, ``-`` and ``.``, or is
            ``user`` or ``item``.
    """
    if _NAME.fullmatch(name) and name not in (graph.USER, graph.ITEM):
        return name
    raise DataError(
        f"{place}: {name[:60]!r} cannot name a modality: expected letters, digits, '_', '-' and "
        f"'.', and neither '{graph.USER}' nor '{graph.ITEM}'; rename it"
    )


def feature_paths(folder: Path, asked: Mapping[str, str | Path] | None) -> dict[str, Path]:
    """Modality to feature file, sorted by name.

    Args:
        folder: Where ``<modality>_feat.npy`` files are looked for.
        asked: Modality to file, which is relative to the working directory; None looks.

    Raises:
        ConfigError: ``asked`` is no mapping.
        DataError: A name cannot name a modality.
    """
    if asked is not None and not isinstance(asked, Mapping):
        raise ConfigError(f"features: got {asked!r}, expected modality to file")
    found = (
        {path.name.removesuffix(SUFFIX): path for path in folder.glob(f"?*{SUFFIX}")}
        if asked is None
        else {name: Path(path) for name, path in asked.items()}
    )
    return {check_modality(name, str(path)): path for name, path in sorted(found.items())}
