"""MicroLens as published: pairs and titles as CSV, features as arrays."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from mrdib_graph.datasets.conversion.conversion import Conversion, FeatureRows, PairCollector, Pairs
from mrdib_graph.datasets.files.raw_lines import read_text
from mrdib_graph.datasets.files.source_text import check_width, listing, number, one_line, only_file
from mrdib_graph.datasets.folder.feature_file import read_features
from mrdib_graph.datasets.folder.feature_names import feature_paths
from mrdib_graph.errors import DataError

KINDS = ("audio", "image", "text", "video")
FEATURE_FOLDER = "extracted_modality_features"
_COMMAS = "commas; a text with a comma needs quotes"
_ITEM = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def read_microlens(
    source: Path,
    features: Mapping[str, str | Path] | None = None,
    deduplicate: bool = False,
) -> Conversion:
    """Read a folder of `MicroLens <https://arxiv.org/abs/2309.15379>`_ files.

    ``*_pairs.csv`` has the columns ``user``, ``item`` and ``timestamp`` (milliseconds);
    ``*_title*.csv``, optional, the columns ``item`` and ``title``, or no header and these two.
    Row r of a feature file is item r + 1.  Items that nobody watched are left out and counted.

    Args:
        source: The folder.
        features: Modality to ``.npy`` file; None takes ``*_<modality>_features_*.npy`` for audio,
            image, text and video, one of each at most, from the folder and from its
            ``extracted_modality_features``.
        deduplicate: Keep the first of repeated pairs.

    Raises:
        DataError: A file is malformed; the message has its name and the line.
    """
    path = only_file(source, "*_pairs.csv", "the pairs")
    if path is None:
        raise DataError(f"{source}: there is no *_pairs.csv file; {listing(source)}")
    pairs = _pairs(path, deduplicate)
    paths = feature_paths(source, features) if features is not None else _find_features(source)
    numbers = torch.tensor([int(raw) for raw in pairs.item_ids])
    rows = {m: _rows(file, path, pairs, numbers) for m, file in paths.items()}
    titles = only_file(source, "*_title*.csv", "the titles")
    names = {} if titles is None else _titles(titles)
    listed = [names.get(raw, "") for raw in pairs.item_ids]
    columns = {"title": listed, "text": listed} if any(listed) else {}
    known = max([len(names), *(row.x.size(0) for row in rows.values())])
    dropped = {"items without a row": max(0, known - len(pairs.item_ids))}
    files = [file for file in (path, titles, *paths.values()) if file is not None]
    return pairs.conversion(files, dropped, columns, rows)


def _pairs(path: Path, deduplicate: bool) -> Pairs:
    rows = _csv(path)
    line, header = next(rows)
    names = [name.strip() for name in header]
    if sorted(names) != ["item", "timestamp", "user"]:
        raise DataError(
            f"{path}: line {line} is {','.join(names)[:120]!r}, expected the header "
            "user,item,timestamp"
        )
    user, item, time = (names.index(name) for name in ("user", "item", "timestamp"))
    pairs = PairCollector(path, timed=True)
    for line, fields in rows:
        check_width(path, line, fields, 3, _COMMAS)
        raw = _item(path, line, fields[item])
        pairs.add(line, fields[user], raw, number(path, line, "timestamp", fields[time]))
    return pairs.finish(deduplicate)


def _titles(path: Path) -> dict[str, str]:
    titles: dict[str, str] = {}
    item, title = 0, 1
    for position, (line, fields) in enumerate(_csv(path)):
        names = [name.strip() for name in fields]
        if position == 0 and sorted(names) == ["item", "title"]:
            item, title = names.index("item"), names.index("title")
            continue
        check_width(path, line, fields, 2, _COMMAS)
        raw = _item(path, line, fields[item])
        if raw in titles:
            raise DataError(f"{path}: line {line} repeats the item {raw}")
        titles[raw] = one_line(fields[title])
    return titles


def _csv(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number of the last line of each row, and its fields."""
    at = 0

    def text() -> Iterator[str]:
        nonlocal at
        for line, content in read_text(path, keep_blank=True):
            at = line
            yield content + "\n"

    try:
        for fields in csv.reader(text(), strict=True):
            if fields:
                yield at, fields
    except csv.Error as error:
        raise DataError(f"{path}: line {at}: this is not CSV: {error}") from error


def _item(path: Path, line: int, field: str) -> str:
    if _ITEM.fullmatch(field):
        return field
    raise DataError(
        f"{path}: line {line}, column item: got {field[:60]!r}, expected a whole number from 1"
    )


def _find_features(source: Path) -> dict[str, Path]:
    found = {}
    for kind in KINDS:
        files = [
            file
            for folder in (source, source / FEATURE_FOLDER)
            for file in sorted(folder.glob(f"*_{kind}_features_*.npy"))
        ]
        if len(files) > 1:
            raise DataError(
                f"{source}: {len(files)} feature files of '{kind}': "
                f"{', '.join(file.name for file in files[:5])}; name one of them with "
                f"features={{'{kind}': file}} (--feature {kind}=FILE)"
            )
        if files:
            found[kind] = files[0]
    return found


def _rows(file: Path, path: Path, pairs: Pairs, numbers: torch.Tensor) -> FeatureRows:
    """Feature row of each item: row r is item r + 1."""
    x = read_features(file)
    if int(numbers.max()) > x.size(0):
        item = int(numbers.argmax())
        raise DataError(
            f"{path}: line {pairs.line_of(item)} has the item {int(numbers[item])}, and {file} "
            f"has {x.size(0)} rows; row r must be item r + 1"
        )
    return FeatureRows(x, numbers - 1)
