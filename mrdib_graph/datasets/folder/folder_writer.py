"""Write what a reader found as a folder of interactions, ids, texts and features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from mrdib_graph.atomic_file import new_folder, only_one
from mrdib_graph.datasets.conversion.conversion import Conversion
from mrdib_graph.datasets.folder.folder_files import (
    write_feature_rows,
    write_interactions,
    write_table,
)
from mrdib_graph.datasets.folder.folder_record import build_key, write_record
from mrdib_graph.datasets.folder.interaction_file import (
    ITEM_COLUMN,
    LABEL_COLUMN,
    TIME_COLUMN,
    USER_COLUMN,
)
from mrdib_graph.datasets.folder.mmrec_folder import ITEM_TABLE
from mrdib_graph.errors import ConfigError
from mrdib_graph.features.feature_folder import SUFFIX


def write_folder(
    dest: Path, conversion: Conversion, label: Tensor | None, record: Mapping[str, Any]
) -> dict[str, Any]:
    """Write ``<dest>/<name>.inter`` and what belongs to it, where name is the folder's.

    The folder is whole or absent.  Its ``provenance.json`` holds the record, a key that is equal
    for equal inputs, and size and SHA-256 of each file.

    Args:
        dest: The folder, which must be absent or empty.
        conversion: What a reader found.
        label: [E] with 0 train, 1 validation, 2 test; None writes no ``x_label``.
        record: Plain values that say where the data came from.

    Returns:
        The record with its key.

    Raises:
        ConfigError: ``dest`` has no name, or has content.
        DataError: The folder cannot be written.
    """
    check_free(dest)
    dest = dest.resolve()
    record = {"key": build_key(record), **record}
    with only_one(dest), new_folder(dest) as folder:
        columns = {
            USER_COLUMN: conversion.user,
            ITEM_COLUMN: conversion.item,
            LABEL_COLUMN: label,
            TIME_COLUMN: conversion.time,
        }
        write_interactions(folder / f"{dest.name}.inter", columns)
        if conversion.user_ids is not None:
            users = range(conversion.num_users)
            write_table(folder / "u_id_mapping.csv", user_id=conversion.user_ids, userID=users)
        items = range(conversion.num_items)
        if conversion.item_ids is not None:
            write_table(folder / "i_id_mapping.csv", item_id=conversion.item_ids, itemID=items)
        if conversion.item_columns:
            write_table(folder / ITEM_TABLE, itemID=items, **conversion.item_columns)
        for modality, rows in conversion.features.items():
            write_feature_rows(folder / f"{modality}{SUFFIX}", rows.x, rows.row)
        write_record(folder, record)
    return record


def check_free(dest: Path) -> None:
    """Refuse a destination that would mix with what is there.

    Raises:
        ConfigError: It has no name of its own, or exists and is not an empty folder.
    """
    if not dest.resolve().name:
        raise ConfigError(f"dest: got {str(dest)!r}, expected a folder with a name: data/shop")
    if dest.is_symlink() or (dest.exists() and (not dest.is_dir() or any(dest.iterdir()))):
        raise ConfigError(
            f"dest: {dest} exists and is not an empty folder; nothing is overwritten: remove it, "
            "or name another"
        )
