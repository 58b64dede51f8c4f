"""RecBole's atomic files: ``.inter`` and ``.item`` with typed headers and raw ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from mrdib_graph.datasets.conversion.conversion import Conversion, FeatureRows, PairCollector
from mrdib_graph.datasets.files.raw_lines import read_text
from mrdib_graph.datasets.files.source_text import (
    check_id,
    check_width,
    listing,
    number,
    one_line,
    only_file,
)
from mrdib_graph.errors import DataError, suggest
from mrdib_graph.features.feature_folder import check_modality

TYPES = ("token", "token_seq", "float", "float_seq")
_FLOAT32_MAX = float(np.finfo(np.float32).max)


class Table(NamedTuple):
    """An atomic file: its columns with their types, and its rows with their line numbers."""

    path: Path
    types: dict[str, str]
    rows: Iterator[tuple[int, list[str]]]


def read_recbole(
    source: Path,
    deduplicate: bool = False,
    min_rating: float | None = None,
    text_columns: Sequence[str] | None = None,
    user_column: str = "user_id",
    item_column: str = "item_id",
) -> Conversion:
    """Read a folder of `RecBole <https://arxiv.org/abs/2011.01731>`_ atomic files.

    ``<name>.inter`` needs user and item columns of type ``token``; a ``timestamp:float`` is kept.
    ``<name>.item`` is optional: its ``float_seq`` columns are modalities of the column's name, its
    ``token`` and ``token_seq`` columns make an item's text.  Items that nobody interacted with
    are left out and counted; the first ``token_seq`` of the text is the title.  ``.user``, ``.kg``
    and ``.link`` are not read.

    Args:
        source: The folder.
        deduplicate: Keep the first of repeated pairs.
        min_rating: Leave out rows whose ``rating`` is below.
        text_columns: Columns of ``.item`` that make the text, in this order; None takes every
            column of tokens but the id.
        user_column: Name of the user column.
        item_column: Name of the item column, in both files.

    Raises:
        DataError: A file is malformed; the message has its name and the line.
    """
    path = only_file(source, "*.inter", "the interactions")
    if path is None:
        raise DataError(f"{source}: there is no .inter file; {listing(source)}")
    table = _open(path)
    users, items = (_column(table, name, "token") for name in (user_column, item_column))
    time = _column(table, "timestamp", "float") if "timestamp" in table.types else None
    rating = None if min_rating is None else _column(table, "rating", "float")
    pairs, below = PairCollector(path, time is not None), 0
    for line, fields in table.rows:
        if rating is not None and min_rating is not None:
            if number(path, line, "rating", fields[rating]) < min_rating:
                below += 1
                continue
        at = None if time is None else number(path, line, "timestamp", fields[time])
        pairs.add(line, fields[users], fields[items], at)
    rows = pairs.finish(deduplicate)
    dropped = {"rows below min_rating": below}
    files = [path]
    columns: dict[str, list[str]] = {}
    features: dict[str, FeatureRows] = {}
    item_path = only_file(source, "*.item", "the items")
    if item_path is not None:
        files.append(item_path)
        content = _read_items(_open(item_path), item_column, text_columns, rows.item_ids)
        columns, features, dropped["items without a row"] = content
    return rows.conversion(files, dropped, columns, features)


def _open(path: Path) -> Table:
    lines = read_text(path)
    _, header = next(lines)
    types = {}
    for part in header.split("\t"):
        name, _, kind = part.strip().rpartition(":")
        if kind not in TYPES or not name or ":" in name or name in types:
            raise DataError(
                f"{path}: line 1 is {header[:120]!r}: {part[:60]!r} is not a new column in the "
                f"form name:type with a type of {', '.join(TYPES)}; an atomic file has such a "
                "header, separated by tabs"
            )
        types[name] = kind

    def rows() -> Iterator[tuple[int, list[str]]]:
        for line, text in lines:
            fields = text.split("\t")
            check_width(path, line, fields, len(types), "tabs, as in the header")
            yield line, fields

    return Table(path, types, rows())


def _column(table: Table, name: str, kind: str) -> int:
    if table.types.get(name) != kind:
        have = ", ".join(f"{column}:{of}" for column, of in table.types.items())
        near = suggest(name, list(table.types)) if name not in table.types else ""
        raise DataError(
            f"{table.path}: line 1 has no column {name}:{kind}{near or ';'} it has {have[:300]}"
        )
    return list(table.types).index(name)


def _read_items(
    table: Table, item_column: str, text_columns: Sequence[str] | None, ids: list[str]
) -> tuple[dict[str, list[str]], dict[str, FeatureRows], int]:
    """Columns ``title`` and ``text``, features, and how many items were left out."""
    path, names = table.path, list(table.types)
    key = _column(table, item_column, "token")
    texts = _text_columns(table, item_column, text_columns)
    first = next((i for i in texts if table.types[names[i]] == "token_seq"), None)
    vectors = [i for i, name in enumerate(names) if table.types[name] == "float_seq"]
    for i in vectors:
        check_modality(names[i], f"{path}: line 1")
    row_of = {raw: row for row, raw in enumerate(ids)}
    at: dict[str, int] = {}
    text, title = [""] * len(ids), [""] * len(ids)
    features: dict[int, np.ndarray] = {}
    for line, fields in table.rows:
        raw = check_id(path, line, item_column, fields[key])
        if raw in at:
            raise DataError(f"{path}: line {line} repeats item {raw!r} of line {at[raw]}")
        at[raw] = line
        if (row := row_of.get(raw)) is None:
            continue
        text[row] = one_line(" ".join(fields[i] for i in texts))
        title[row] = "" if first is None else one_line(fields[first])
        for i in vectors:
            values = _vector(path, line, names[i], fields[i])
            if i not in features:
                features[i] = np.empty((len(ids), values.size), np.float32)
            if features[i].shape[1] != values.size:
                raise DataError(
                    f"{path}: line {line}, column {names[i]} has {values.size} numbers, and "
                    f"earlier lines have {features[i].shape[1]}"
                )
            features[i][row] = values
    lacking = [raw for raw in ids if raw not in at]
    if vectors and lacking:
        raise DataError(
            f"{path}: line 1 announces features, and {len(lacking)} items of the interactions have "
            f"no line, the first is {lacking[0]!r}; add them or remove their interactions"
        )
    columns = {column: v for column, v in (("title", title), ("text", text)) if any(v)}
    rows = {names[i]: FeatureRows(torch.from_numpy(x)) for i, x in features.items()}
    return columns, rows, len(at) - (len(ids) - len(lacking))


def _text_columns(table: Table, item_column: str, asked: Sequence[str] | None) -> list[int]:
    names = list(table.types)
    tokens = [name for name in names if table.types[name].startswith("token")]
    for name in asked or ():
        if name not in tokens:
            raise DataError(
                f"{table.path}: line 1 has no text column {name!r}{suggest(name, tokens) or ';'} "
                f"it has {', '.join(tokens)}"
            )
    chosen = [name for name in tokens if name != item_column] if asked is None else asked
    return [names.index(name) for name in chosen]


def _vector(path: Path, line: int, column: str, field: str) -> np.ndarray:
    values = np.array([number(path, line, column, part) for part in field.split()])
    if not values.size or float(np.abs(values).max()) > _FLOAT32_MAX:
        raise DataError(
            f"{path}: line {line}, column {column}: got {field[:60]!r}, expected numbers within "
            "float32, separated by spaces"
        )
    return values
