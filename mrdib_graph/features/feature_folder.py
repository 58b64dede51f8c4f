"""Feature rows in the field's common folder layout, with their record beside them."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import torch

from mrdib_graph import graph
from mrdib_graph.atomic_file import new_file
from mrdib_graph.errors import ConfigError, DataError, MRdIBError
from mrdib_graph.features.digests import file_digest, tensor_digest
from mrdib_graph.features.features import Features, Fill
from mrdib_graph.features.provenance import DTYPES, Provenance

SUFFIX = "_feat.npy"
"""How the file of a modality's rows ends, after the modality's name."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*", re.ASCII)


def write_features(
    folder: str | Path,
    modality: str,
    features: Features,
    *,
    fill: Fill = "mean",
    overwrite: bool = False,
) -> Path:
    """Write ``<modality>_feat.npy`` [I, d], float32, and its record ``<modality>_feat.json``.

    Row i is item i.  The layout has no place for a missing row, so it is filled, and the record
    lists the items; :func:`load_features` leaves them out again.  Each file is whole or absent: it
    lands under a temporary name and is renamed.  If the process ends between the two renames, the
    record does not fit the rows, which :func:`read_provenance` finds.

    Args:
        folder: The data set's folder; it is made where it is absent.
        modality: Name of the modality.
        features: What an encoder gave.
        fill: What a missing item's row holds, ``'mean'`` of the others or ``'zero'``.
        overwrite: Whether files that are there may be replaced.

    Returns:
        The path of the ``.npy`` file.

    Raises:
        ConfigError: The name is not one of a modality, or the fill is unknown.
        DataError: A file is already there, or the folder cannot be written.
    """
    array_path, json_path = feature_files(folder, modality)
    for path in (array_path, json_path):
        if path.exists() and not overwrite:
            raise DataError(f"{path}: is already there; pass overwrite=True to replace it")
    table = features.table(fill)
    what = f"the table of {table.numel() * 4} bytes"
    with new_file(json_path) as record, new_file(array_path, what=what) as rows:
        with rows.open("wb") as file:
            np.save(file, table.numpy(), allow_pickle=False)
        written = dataclasses.replace(features.provenance, fill=fill, file_digest=file_digest(rows))
        record.write_text(written.to_json(), encoding="utf-8")
    return array_path


def read_provenance(folder: str | Path, modality: str, *, check: bool = True) -> Provenance:
    """Read the record of a modality's rows.

    Args:
        folder: The data set's folder.
        modality: Name of the modality.
        check: Whether to compare the digest of the ``.npy`` file with the record.

    Raises:
        ConfigError: The name is not one of a modality.
        DataError: The record is absent or damaged, or belongs to other rows.
    """
    array_path, json_path = feature_files(folder, modality)
    try:
        text = json_path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{json_path}: the record of the rows cannot be read ({error}); write_features makes it"
        ) from error
    record = Provenance.from_json(text, str(json_path))
    if check:
        found = file_digest(array_path) if array_path.is_file() else "absent"
        if found != record.file_digest:
            raise DataError(
                f"{json_path}: belongs to other rows: {array_path.name} has SHA-256 {found}, the "
                f"record says {record.file_digest}; write the features again"
            )
    return record


def load_features(folder: str | Path, modality: str) -> Features:
    """Read what :func:`write_features` wrote, the missing rows left out again.

    Raises:
        ConfigError: The name is not one of a modality.
        DataError: As for :func:`read_provenance`, or rows and record differ in shape.
    """
    array_path, json_path = feature_files(folder, modality)
    record = read_provenance(folder, modality)
    try:
        table = torch.from_numpy(np.load(array_path, allow_pickle=False))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{array_path}: cannot be read: {error}") from error
    if table.shape != (record.num_items, record.dimension):
        raise DataError(
            f"{array_path}: shape {tuple(table.shape)}, and {json_path.name} says "
            f"{(record.num_items, record.dimension)}"
        )
    mask = torch.ones(record.num_items, dtype=torch.bool)
    mask[list(record.missing_items)] = False
    x = table[mask].to(DTYPES[record.dtype])
    if tensor_digest(x) != record.output_digest:
        raise DataError(f"{array_path}: rows differ from the digest in {json_path.name}")
    return Features(x, mask, dataclasses.replace(record, fill=None, file_digest=None))


def feature_files(folder: str | Path, modality: str) -> tuple[Path, Path]:
    """Where the rows of a modality and their record lie.

    Raises:
        ConfigError: The name is not one of a modality.
    """
    check_modality(modality, "modality", ConfigError)
    return Path(folder) / f"{modality}{SUFFIX}", Path(folder) / f"{modality}_feat.json"


def check_modality(name: str, place: str, error: type[MRdIBError] = DataError) -> str:
    """The name, refused where it cannot name a file or would hide a node type.

    Args:
        name: Of a modality.
        place: Where the name stands, which begins the message.
        error: What to raise.

    Raises:
        MRdIBError: It holds other characters than letters, digits, ``_``, ``-`` and ``.``, or is
            ``user`` or ``item``.
    """
    valid = isinstance(name, str) and _NAME.fullmatch(name)
    if valid and name not in (graph.USER, graph.ITEM):
        return name
    raise error(
        f"{place}: got {str(name)[:60]!r}, which cannot name a modality: expected letters, digits, "
        f"'_', '-' and '.', and neither '{graph.USER}' nor '{graph.ITEM}'; rename it"
    )
