"""Users, items, ratings and times from raw files of one interaction a line."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mrdib_graph.datasets.files.json_lines import BadLines, parse_record
from mrdib_graph.datasets.files.raw_lines import read_lines
from mrdib_graph.errors import DataError


class RawInteractions(NamedTuple):
    """Interactions with codes for raw ids, in the order of the file.

    Shapes:
        ``user``, ``item`` [n] int32, codes in order of first appearance; ``rating`` [n] float32;
        ``time`` [n] int64, in the file's unit; ``user_ids``, ``item_ids``: raw id of each code.
    """

    user: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    time: np.ndarray
    user_ids: list[str]
    item_ids: list[str]


Row = tuple[int, bytes, tuple[object, object, object, object] | None]
"""Number and bytes of a line, and its user, item, rating, time; None where it cannot be read."""

Reader = Callable[[Path, float], tuple[RawInteractions, dict[str, int]]]
_EXPECTED = "user, item, a rating and a whole time"


def read_ratings(path: Path, bad_lines: float = 0.0) -> tuple[RawInteractions, dict[str, int]]:
    """Lines ``user,item,rating,time`` without a header, as the 2014 release has them.

    Returns:
        The rows, and counts: rows read, rows dropped for a missing field, bad lines.

    Raises:
        DataError: A line has another number of fields, or a value that is no number.
    """
    return _collect(path, _csv_rows(path, (0, 1, 2, 3), 4, skip=0), bad_lines)


def read_ratings_2023(path: Path, bad_lines: float = 0.0) -> tuple[RawInteractions, dict[str, int]]:
    """Columns ``user_id``, ``parent_asin``, ``rating``, ``timestamp`` (milliseconds) by the header.

    Raises:
        DataError: The header lacks a column, or as :func:`read_ratings`.
    """
    _, first = next(read_lines(path), (0, b""))
    names = first.decode("utf-8", "replace").split(",")
    needed = ["user_id", "parent_asin", "rating", "timestamp"]
    if any(names.count(name) != 1 for name in needed):
        raise DataError(
            f"{path}: line 1 is {first[:120]!r}, expected a header with {', '.join(needed)}"
        )
    columns = [names.index(name) for name in needed]
    return _collect(path, _csv_rows(path, columns, len(names), skip=1), bad_lines)


def read_reviews(path: Path, bad_lines: float = 0.0) -> tuple[RawInteractions, dict[str, int]]:
    """Records with ``reviewerID``, ``asin``, ``overall``, ``unixReviewTime``, one a line.

    Raises:
        DataError: A line is neither JSON nor a Python literal, or a value is of the wrong type.
    """
    return _collect(path, _review_rows(path), bad_lines)


def _csv_rows(path: Path, columns: Sequence[int], width: int, skip: int) -> Iterator[Row]:
    user, item, rating, time = columns
    for number, line in read_lines(path):
        if number <= skip:
            continue
        try:
            fields = line.decode("utf-8").split(",")
        except UnicodeDecodeError:
            fields = []
        if len(fields) == width:
            yield number, line, (fields[user], fields[item], fields[rating], fields[time])
        else:
            yield number, line, None


def _review_rows(path: Path) -> Iterator[Row]:
    for number, line in read_lines(path):
        record = parse_record(line)
        if record is None:
            yield number, line, None
        else:
            user, item = record.get("reviewerID"), record.get("asin")
            yield number, line, (user, item, record.get("overall"), record.get("unixReviewTime"))


def _collect(
    path: Path, rows: Iterator[Row], bad_lines: float
) -> tuple[RawInteractions, dict[str, int]]:
    """Number the ids as they appear; compact arrays, so that millions of rows fit in memory."""
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    user, item, rating, time = array("i"), array("i"), array("f"), array("q")
    bad, total, missing = BadLines(path, bad_lines), 0, 0
    for number, line, fields in rows:
        total += 1
        if fields is None:
            bad.add(number, line, _EXPECTED)
            continue
        if None in fields or "" in fields:
            missing += 1
            continue
        try:
            row = (_id(fields[0]), _id(fields[1]), _rating(fields[2]), _time(fields[3]))
        except (ValueError, OverflowError):
            bad.add(number, line, _EXPECTED)
            continue
        user.append(users.setdefault(row[0], len(users)))
        item.append(items.setdefault(row[1], len(items)))
        rating.append(row[2])
        time.append(row[3])
    bad.check(total)
    if not user:
        raise DataError(f"{path}: no usable row among {total} lines; nothing to learn from")
    columns = (
        np.frombuffer(user, np.int32), np.frombuffer(item, np.int32),
        np.frombuffer(rating, np.float32), np.frombuffer(time, np.int64),
    )  # fmt: skip
    counts = {"rows read": total, "with a missing field": missing, "bad lines": bad.count}
    return RawInteractions(*columns, list(users), list(items)), counts


def _id(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError  # an id with a tab or a line end would break the tables
    return value


def _rating(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError
    found = float(value)
    if not math.isfinite(found):
        raise ValueError
    return found


def _time(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError
    found = int(value)
    if not -(2**63) <= found < 2**63:
        raise ValueError
    return found
