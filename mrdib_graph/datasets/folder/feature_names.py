"""Which feature file belongs to which modality."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mrdib_graph.errors import ConfigError
from mrdib_graph.features.feature_folder import SUFFIX, check_modality


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
