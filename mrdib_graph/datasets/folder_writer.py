"""Write what a reader found as a folder of interactions, ids, texts and features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mrdib_graph.datasets.conversion import Conversion, FeatureRows
from mrdib_graph.datasets.download import sha256
from mrdib_graph.datasets.feature_names import SUFFIX
from mrdib_graph.datasets.folder_files import write_table
from mrdib_graph.datasets.interaction_file import (
    ITEM_COLUMN,
    LABEL_COLUMN,
    TIME_COLUMN,
    USER_COLUMN,
)
from mrdib_graph.datasets.mmrec_folder import ITEM_TABLE
from mrdib_graph.datasets.new_folder import new_folder, only_one
from mrdib_graph.datasets.provenance import build_key, write_provenance
from mrdib_graph.errors import ConfigError
from mrdib_graph.transforms.row_blocks import BLOCK_VALUES


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
        _write_interactions(folder / f"{dest.name}.inter", conversion, label)
        if conversion.user_ids is not None:
            users = range(conversion.num_users)
            write_table(folder / "u_id_mapping.csv", user_id=conversion.user_ids, userID=users)
        items = range(conversion.num_items)
        if conversion.item_ids is not None:
            write_table(folder / "i_id_mapping.csv", item_id=conversion.item_ids, itemID=items)
        if conversion.item_columns:
            write_table(folder / ITEM_TABLE, itemID=items, **conversion.item_columns)
        for modality, rows in conversion.features.items():
            _write_features(folder / f"{modality}{SUFFIX}", rows)
        write_provenance(folder, record)
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


def identities(files: Sequence[Path]) -> list[dict[str, int | str]]:
    """Name, size and SHA-256 of files."""
    return [
        {"file": path.name, "size": path.stat().st_size, "sha256": sha256(path)} for path in files
    ]


def labels_of(masks: Sequence[Tensor]) -> Tensor:
    """Masks [E] of training, validation and test to labels [E] 0, 1, 2."""
    return torch.stack([mask.long() for mask in masks]).argmax(0)


def _write_interactions(path: Path, conversion: Conversion, label: Tensor | None) -> None:
    import pyarrow
    from pyarrow import csv

    found = {
        USER_COLUMN: conversion.user,
        ITEM_COLUMN: conversion.item,
        LABEL_COLUMN: label,
        TIME_COLUMN: conversion.time,
    }
    columns = {name: column.numpy() for name, column in found.items() if column is not None}
    options = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    with path.open("wb") as file:
        file.write(("\t".join(columns) + "\n").encode())
        csv.write_csv(pyarrow.table(columns), file, options)


def _write_features(path: Path, rows: FeatureRows) -> None:
    """Write block by block: features may be larger than memory."""
    x = rows.x
    index = torch.arange(x.size(0)) if rows.row is None else rows.row
    size = max(1, BLOCK_VALUES // x.size(1))
    shape = (index.numel(), x.size(1))
    out = np.lib.format.open_memmap(path, "w+", np.dtype(np.float32), shape)
    for start in range(0, index.numel(), size):
        block = index[start : start + size]
        out[start : start + block.numel()] = x[block].numpy()
    out.flush()
