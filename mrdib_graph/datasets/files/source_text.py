"""What readers of raw text files share: files of a folder, ids, numbers, texts of one line."""

from __future__ import annotations

import math
import re
from pathlib import Path

from mrdib_graph.errors import DataError

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)


def need_file(folder: Path, name: str, what: str) -> Path:
    """The path of a file in a folder.

    Raises:
        DataError: It is not there; the message says what the folder has.
    """
    path = folder / name
    if path.is_file():
        return path
    raise DataError(f"{path}: there is no such file, expected {what}; {listing(folder)}")


def only_file(folder: Path, pattern: str, what: str) -> Path | None:
    """The one file of a folder that a pattern fits; None where there is none.

    Raises:
        DataError: It fits several.
    """
    found = sorted(path for path in folder.glob(pattern) if path.is_file())
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:10])
        raise DataError(f"{folder}: {len(found)} files could be {what}: {names}; keep one of them")
    return found[0] if found else None


def listing(folder: Path) -> str:
    """What a folder holds, for messages."""
    if not folder.is_dir():
        return f"{folder} is not a folder"
    names = sorted(path.name for path in folder.iterdir())
    return f"{folder} holds {', '.join(names[:10]) or 'nothing'}{' ...' if names[10:] else ''}"


def one_line(text: str) -> str:
    """A text for a table: each run of white space and control characters is one space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def check_width(path: Path, line: int, fields: list[str], width: int, separator: str) -> None:
    """Refuse a line of another number of fields.

    Raises:
        DataError: It has; ``separator`` says what stands between them.
    """
    if len(fields) != width:
        raise DataError(
            f"{path}: line {line} has {len(fields)} fields, expected {width} separated by "
            f"{separator}"
        )


def check_id(path: Path, line: int, column: str, field: str) -> str:
    """A raw id, which ends up in tab-separated tables.

    Raises:
        DataError: It is empty, or has control characters or surrounding spaces.
    """
    if field and field.isprintable() and field == field.strip():
        return field
    raise DataError(
        f"{path}: line {line}, column {column}: got {field[:60]!r}, expected an id: printable text "
        "without spaces around it"
    )


def number(path: Path, line: int, column: str, field: str) -> float:
    """A finite decimal number.

    Raises:
        DataError: It is none.
    """
    value = float(field) if len(field) < 400 and _NUMBER.fullmatch(field) else math.nan
    if math.isfinite(value):
        return value
    raise DataError(
        f"{path}: line {line}, column {column}: got {field[:60]!r}, expected a finite number"
    )
