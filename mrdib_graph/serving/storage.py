"""The files of a bundle: written whole or not at all, read with every part checked.

=========================== ===========================================================
``bundle.json``             :class:`BundleInfo`, counts, SHA-256 of every other file
``tables.safetensors``      ``user_table`` [U, w], ``item_table`` [I, w], float32
``history.safetensors``     ``crow`` [U + 1], ``col`` [E], int64: training items of users
``user_ids.json``           list of U texts; ``item_ids.json`` likewise of I
``item_names.json``         list of I texts, only where the data set has names
=========================== ===========================================================
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mrdib_graph.atomic_file import new_folder, sync_file
from mrdib_graph.errors import ConfigError, DataError

SCHEMA_VERSION = 1
HEADER = "bundle.json"
TABLES = "tables.safetensors"
HISTORY = "history.safetensors"
USER_IDS, ITEM_IDS, ITEM_NAMES = "user_ids.json", "item_ids.json", "item_names.json"


@dataclass(frozen=True)
class BundleInfo:
    """Where a bundle comes from; all of it optional.

    Attributes:
        name: What to call it.
        backbone: Name of the backbone that made the tables.
        arm: The arm it was trained as: ``'bare'``, ``'mrdib'``, ...
        dataset: Name of the data set.
        dataset_digest: SHA-256 of the data set.
        metrics: Metric values of the trained recommender.
        library_version: Version that wrote the bundle; filled in at saving.
    """

    name: str = "bundle"
    backbone: str = ""
    arm: str = ""
    dataset: str = ""
    dataset_digest: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    library_version: str = ""


def write_folder(
    folder: Path,
    header: dict[str, Any],
    tensors: Mapping[str, dict[str, Tensor]],
    texts: Mapping[str, list[str]],
    overwrite: bool,
) -> None:
    """Write all files into a temporary folder beside the target, sync them, rename the folder.

    Raises:
        ConfigError: The folder exists and may not be overwritten, or the header is no JSON.
        DataError: The files cannot be written; nothing is left behind.
    """
    folder = folder.absolute()
    _check_target(folder, overwrite)
    with new_folder(folder, (OSError, SafetensorError)) as temporary:
        for name, tables in tensors.items():
            save_file({key: value.contiguous() for key, value in tables.items()}, temporary / name)
        for name, lines in texts.items():
            (temporary / name).write_text(json.dumps(lines, indent=0), encoding="utf-8")
        digests = {name: _digest(temporary / name) for name in (*tensors, *texts)}
        try:
            text = json.dumps(
                {"schema_version": SCHEMA_VERSION, **header, "files": digests},
                indent=2,
                allow_nan=False,
            )
        except (TypeError, ValueError) as error:
            raise ConfigError(f"info: {error}; texts and finite numbers can be written") from error
        (temporary / HEADER).write_text(text + "\n", encoding="utf-8")
        readable = temporary.stat().st_mode & 0o666  # safetensors writes files for the owner only
        for path in temporary.iterdir():
            path.chmod(readable)
            sync_file(path)


def _check_target(folder: Path, overwrite: bool) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / HEADER).is_file():
        raise ConfigError(f"{folder} exists and is not a bundle: choose another folder")
    if not overwrite:
        raise ConfigError(f"{folder} exists: choose another folder or pass overwrite=True")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_folder(
    folder: Path,
) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Read a bundle's files after comparing each with its digest in the header.

    Returns:
        The header, the tensors of each safetensors file, the content of each JSON list.

    Raises:
        DataError: A file is missing or damaged; the message names it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; expected a bundle with {HEADER}")
    header = _read_header(folder / HEADER)
    for name, expected in header["files"].items():
        path = folder / name
        if not path.is_file():
            raise DataError(f"{path}: the file is missing; copy the bundle again as a whole")
        if _digest(path) != expected:
            raise DataError(
                f"{path}: the SHA-256 is not the one in {HEADER}: the file is damaged or was "
                "changed; copy or save the bundle again"
            )
    tensors = {name: _read_tensors(folder / name) for name in (TABLES, HISTORY)}
    lists = {name: _read_json(folder / name) for name in header["files"] if name.endswith(".json")}
    return header, tensors, lists


def _read_header(path: Path) -> dict[str, Any]:
    header = _read_json(path)
    if not isinstance(header, dict) or header.get("schema_version") != SCHEMA_VERSION:
        version = header.get("schema_version") if isinstance(header, dict) else None
        raise DataError(
            f"{path}: schema_version is {version!r}, expected {SCHEMA_VERSION}; save the bundle "
            "again with this version of mrdib_graph, or install the one that wrote it"
        )
    for key in ("info", "counts", "files"):
        if not isinstance(header.get(key), dict):
            raise DataError(f"{path}: '{key}' is {header.get(key)!r}, expected an object")
    required = {TABLES, HISTORY, USER_IDS, ITEM_IDS}
    names = set(header["files"])
    if not required <= names or not names <= required | {ITEM_NAMES}:
        raise DataError(
            f"{path}: 'files' lists {', '.join(sorted(names)) or 'nothing'}, expected "
            f"{', '.join(sorted(required))} and perhaps {ITEM_NAMES}"
        )
    return header


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: cannot be read as safetensors: {error}") from error
