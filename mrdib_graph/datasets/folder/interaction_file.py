"""Interactions from a tab-separated ``<dataset>.inter`` file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from mrdib_graph.datasets.folder.interaction_errors import bad_header, first_bad_line
from mrdib_graph.errors import DataError

USER_COLUMN, ITEM_COLUMN, LABEL_COLUMN, TIME_COLUMN = "userID", "itemID", "x_label", "timestamp"
_LARGEST = {LABEL_COLUMN: 2}


class Interactions(NamedTuple):
    """One row per interaction, in the order of the file.

    Shapes:
        ``user``, ``item`` [E] int64; ``label`` [E] int64 with 0 train, 1 validation, 2 test, or
        None; ``time`` [E], int64 where every value is whole, else float64, or None.
    """

    user: Tensor
    item: Tensor
    label: Tensor | None
    time: Tensor | None


def read_interactions(
    path: str | Path, need_label: bool = True, need_time: bool = False
) -> Interactions:
    """Read an ``.inter`` file.

    The file is UTF-8 text, tab-separated, with one header line that names ``userID``, ``itemID``,
    ``x_label`` and, optionally, ``timestamp``, in any order; further columns are ignored.  A byte
    order mark, CRLF line ends and blank lines are accepted.  Every row is a positive.

    Args:
        path: The file.
        need_label: Whether the file must have ``x_label``; False for splits made by the library.
        need_time: Whether the file must have ``timestamp``.

    Raises:
        DataError: The file is absent, empty, not UTF-8, has another header, or holds a value that
            is not an integer id from 0, a label of 0, 1, 2, or a finite time.
    """
    path = Path(path)
    raw = _read_text(path)
    names = _header(path, raw)
    needed = {USER_COLUMN: True, ITEM_COLUMN: True, LABEL_COLUMN: need_label}
    needed[TIME_COLUMN] = need_time
    required = [name for name, must in needed.items() if must]
    present = [name for name in needed if name in names]
    if any(name not in names for name in required) or any(names.count(n) > 1 for n in present):
        raise bad_header(path, names, required)
    columns = _parse(path, raw, {name: names.index(name) for name in present}, len(names))
    label, time = columns.get(LABEL_COLUMN), columns.get(TIME_COLUMN)
    if time is not None and bool((time == time.trunc()).all() & (time.abs() < 2**53).all()):
        time = time.long()
    return Interactions(columns[USER_COLUMN], columns[ITEM_COLUMN], label, time)


def _read_text(path: Path) -> bytes:
    """The bytes of a text file without a byte order mark."""
    if not path.is_file():
        beside = sorted(p.name for p in path.parent.glob("*.inter")) if path.parent.is_dir() else []
        raise DataError(
            f"{path}: there is no such interaction file; {path.parent} holds "
            f"{', '.join(beside) or 'no .inter file'}"
        )
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if (nul := raw.find(b"\0")) >= 0:
        line = raw.count(b"\n", 0, nul) + 1
        raise DataError(f"{path}: line {line} holds a NUL byte; save the file as UTF-8 text")
    try:
        if not raw.isascii():
            raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}: line {line} is not UTF-8 (byte 0x{raw[error.start]:02x}); save the file as "
            "UTF-8 text, and unpack it first if it is compressed"
        ) from error
    if not raw.strip():
        raise DataError(f"{path}: the file is empty; expected a header and one row a line")
    return raw


def _header(path: Path, raw: bytes) -> list[str]:
    first = re.match(rb"[^\r\n]*", raw)
    assert first is not None
    names = [name.strip() for name in first.group().decode("utf-8").split("\t")]
    if not raw[first.end() :].strip() and USER_COLUMN in names:
        raise DataError(f"{path}: there is a header and no row; nothing to learn from")
    return names


def _parse(path: Path, raw: bytes, index: dict[str, int], width: int) -> dict[str, Tensor]:
    """The columns at ``index`` of ``width`` as tensors [E]."""
    import pyarrow
    from pyarrow import csv

    types = {
        str(at): pyarrow.float64() if name == TIME_COLUMN else pyarrow.int64()
        for name, at in index.items()
    }
    try:
        table = csv.read_csv(
            pyarrow.py_buffer(raw),
            csv.ReadOptions(skip_rows=1, column_names=[str(at) for at in range(width)]),
            csv.ParseOptions(delimiter="\t", quote_char=False),
            csv.ConvertOptions(column_types=types, include_columns=list(types), null_values=[]),
        )
    except pyarrow.ArrowInvalid as error:
        raise first_bad_line(path, raw, index, width) or DataError(
            f"{path}: cannot be read as tab-separated text: {error}"
        ) from error
    out = {
        name: torch.from_numpy(table[str(at)].to_numpy(zero_copy_only=False).copy())
        for name, at in index.items()
    }
    # The parser also reads hexadecimal numbers, which are no ids.
    suspect = any(mark in raw for mark in (b"0x", b"0X")) or any(
        not bool(((column >= 0) & (column <= _LARGEST.get(name, torch.inf))).all())
        for name, column in out.items()
        if name != TIME_COLUMN
    )
    if TIME_COLUMN in out:
        suspect |= not bool(torch.isfinite(out[TIME_COLUMN]).all())
    if suspect and (found := first_bad_line(path, raw, index, width)):
        raise found
    return out
