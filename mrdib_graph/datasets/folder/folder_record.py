"""The record of a built folder: what it was made from, and whether it still is what was made.

Where the feature rows of one modality came from is another record, in
:mod:`mrdib_graph.features.provenance`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mrdib_graph.atomic_file import write_text
from mrdib_graph.errors import DataError
from mrdib_graph.features.digests import file_digest

RECORD = "provenance.json"
DATA_VERSION = 1
"""Raised when the same raw files and options give another folder than before."""


def build_key(inputs: Mapping[str, Any]) -> str:
    """SHA-256 of checksums, options and ``DATA_VERSION``: equal keys mean equal folders."""
    text = json.dumps({"data_version": DATA_VERSION, **inputs}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def identities(files: Sequence[Path]) -> list[dict[str, int | str]]:
    """Name, size and SHA-256 of files."""
    return [{"file": path.name, **_identity(path)} for path in files]


def _identity(path: Path) -> dict[str, int | str]:
    return {"size": path.stat().st_size, "sha256": file_digest(path)}


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write the record, with size and checksum of every file of the folder."""
    files = {path.name: _identity(path) for path in sorted(folder.iterdir())}
    text = json.dumps({"data_version": DATA_VERSION, **record, "files": files}, indent=2)
    write_text(folder / RECORD, text + "\n")


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record of a folder; None where it has none.

    Raises:
        DataError: It cannot be read.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record["key"], str):
            raise KeyError("key")
        for name, identity in record["files"].items():
            if Path(name).name != name or not isinstance(identity["size"], int):
                raise KeyError("files")
            if not isinstance(identity["sha256"], str):
                raise KeyError("sha256")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path}: cannot be read as a record of this library ({error}); remove the folder and "
            "fetch it again"
        ) from error
    assert isinstance(record, dict)
    return record


def verify_folder(folder: Path, record: Mapping[str, Any]) -> None:
    """Check the files of a folder against its record.

    Raises:
        DataError: A file is absent or has changed, or the folder is of another data version.
    """
    advice = "remove the folder and fetch it again"
    if record.get("data_version") != DATA_VERSION:
        raise DataError(
            f"{folder}: made by data version {record.get('data_version')}, this is {DATA_VERSION}; "
            f"{advice}"
        )
    present = {path.name for path in folder.iterdir() if path.is_file()}
    for name, expected in record["files"].items():
        path = folder / name
        if name not in present:
            raise DataError(f"{path}: the file is gone; {advice}")
        if path.stat().st_size != expected["size"] or file_digest(path) != expected["sha256"]:
            raise DataError(f"{path}: the file is not the one that was built; {advice}")


def foreign_files(folder: Path, record: Mapping[str, Any] | None) -> list[str]:
    """Names in a folder that its record does not have; all of them without a record."""
    own = {RECORD, *record["files"]} if record else set()
    return sorted(path.name for path in folder.iterdir() if path.name not in own)
