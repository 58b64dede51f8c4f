"""What is wrong with an ``.inter`` file, in words: the slow pass after the fast one has failed."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path

from mrdib_graph.errors import DataError

_INTEGER = re.compile(r"-?[0-9]+", re.ASCII)
_LARGEST = 2**63 - 1


def bad_header(path: Path, names: list[str], required: list[str]) -> DataError:
    """The error for a header that lacks a required column, or has one twice."""
    wanted = f"expected tab-separated columns {', '.join(required)}"
    shown = repr("\t".join(names)[:120])
    if names[0].startswith("<"):
        return DataError(f"{path}: line 1 is {shown}: this is a web page; download the file again")
    if any(name.endswith((":token", ":float", ":token_seq", ":float_seq")) for name in names):
        return DataError(
            f"{path}: line 1 is {shown}: a RecBole file, which has raw ids and no split; {wanted}: "
            "convert it with  mrdib-graph datasets convert recbole FOLDER DEST"
        )
    if all(re.fullmatch(r"-?[0-9.]+", name) for name in names):
        return DataError(f"{path}: line 1 is {shown}: the header line is missing; {wanted}")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        return DataError(
            f"{path}: line 1 is {shown}: {', '.join(twice)} occurs twice; keep one of them"
        )
    if len(names) == 1:
        return DataError(f"{path}: line 1 is {shown}, one column: wrong separator? {wanted}")
    missing = [name for name in required if name not in names]
    return DataError(f"{path}: line 1 is {shown}: column {', '.join(missing)} is missing; {wanted}")


def first_bad_line(path: Path, raw: bytes, index: dict[str, int], width: int) -> DataError | None:
    """The error for the first line that cannot be read, None where every line can.

    Args:
        path: The file, for the message.
        raw: Its text; lines count from 1, which is the header.
        index: Position of each column that is read.
        width: Number of columns.
    """
    labels: dict[int, str] = {}
    for number, line in enumerate(re.split("\r\n|\r|\n", raw.decode("utf-8")), start=1):
        if number == 1 or not line:
            continue
        fields = line.split("\t")
        if len(fields) != width:
            return DataError(
                f"{path}: line {number} has {len(fields)} fields, expected {width} as in the "
                "header, separated by tabs"
            )
        for name, at in index.items():
            field = fields[at].strip()
            if name == "x_label":
                labels[number] = field
            elif problem := (_bad_time(field) if name == "timestamp" else _bad_id(field)):
                return DataError(f"{path}: line {number}, column {name}: {problem}")
    return _bad_label(path, labels)


def _bad_label(path: Path, labels: dict[int, str]) -> DataError | None:
    first = next((line for line, label in labels.items() if label not in ("0", "1", "2")), None)
    if first is None:
        return None
    counts = sorted(Counter(labels.values()).items(), key=lambda pair: (len(pair[0]), pair[0]))
    found = ", ".join(f"{label or 'nothing'} ({count} rows)" for label, count in counts[:10])
    return DataError(
        f"{path}: line {first}, column x_label: got {labels[first]!r}; the column holds {found}"
        f"{' ...' if counts[10:] else ''}, expected 0 (train), 1 (validation), 2 (test)"
    )


def _bad_id(field: str) -> str:
    advice = "expected an integer from 0; number users and items from 0 without gaps"
    if not _INTEGER.fullmatch(field):
        return f"got {field[:60]!r}, {advice}"
    if field.startswith("-") and field.strip("-0"):
        return f"got the negative id {field[:60]}, {advice}"
    digits = field.lstrip("-0")  # int() refuses some thousands of digits
    large = len(digits) > len(str(_LARGEST)) or int(digits or 0) > _LARGEST
    return f"got {field[:60]}, which is above the largest int64, {advice}" * large


def _bad_time(field: str) -> str:
    try:
        finite = math.isfinite(float(field))
    except ValueError:
        finite = False
    return "" if finite else f"got {field!r}, expected a number; fix it or remove the column"
