"""Lines of raw text files: streamed, decoded strictly, with the place of whatever is wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from mrdib_graph.errors import DataError

LONGEST_LINE = 2**22
"""Bytes of a line above which a file is refused: it is no text file of this kind."""

_KINDS = (  # first bytes of a file -> what it is
    (b"\x1f\x8b", "compressed with gzip: unpack it"),
    (b"PK\x03\x04", "a zip archive: unpack it"),
    (b"\x80", "a pickle, which can run code when it is opened, and is never loaded"),
    (b"<!doctype", "a web page: download the file again"),
    (b"<html", "a web page: download the file again"),
)
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


def read_lines(
    path: Path, encoding: str = "utf-8", keep_blank: bool = False
) -> Iterator[tuple[int, str]]:
    """Number, from 1, and text of each line, without its end.

    Lines end with a line feed, after a carriage return or not; a byte order mark is dropped.

    Args:
        path: The file.
        encoding: ``'utf-8'`` or ``'latin-1'``.
        keep_blank: Whether blank lines are handed out, too.

    Raises:
        DataError: The file cannot be read, is empty, is no text, or is in the other encoding.
    """
    filled = False
    for number, raw in _raw_lines(path):
        if number == 1:
            _check_kind(path, raw)
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        text = _decode(path, number, raw, encoding).removesuffix("\n").removesuffix("\r")
        filled |= bool(text.strip())
        if keep_blank or text.strip():
            yield number, text
    if not filled:
        raise DataError(f"{path}: line 1: the file is empty")


def _raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            number = 0
            while raw := file.readline(LONGEST_LINE + 1):
                number += 1
                if len(raw) > LONGEST_LINE:
                    raise DataError(
                        f"{path}: line {number} is longer than {LONGEST_LINE} bytes; this is not "
                        "the text file that was expected"
                    )
                yield number, raw
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _check_kind(path: Path, raw: bytes) -> None:
    start = raw[:64].lstrip().lower()
    for head, kind in _KINDS:
        if start.startswith(head.lower()):
            raise DataError(f"{path}: line 1 starts {raw[:12]!r}: the file is {kind}")


def _decode(path: Path, number: int, raw: bytes, encoding: str) -> str:
    if b"\0" in raw:
        raise DataError(f"{path}: line {number} holds a NUL byte; this is not a text file")
    if raw.isascii():
        return raw.decode("ascii")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if encoding == "utf-8":
            raise DataError(
                f"{path}: line {number} is not UTF-8 (byte 0x{raw[error.start]:02x}); save the "
                "file as UTF-8 text"
            ) from error
        return raw.decode(encoding)
    if encoding != "utf-8":
        raise DataError(
            f"{path}: line {number} is UTF-8, and the published file is {encoding}: it was "
            "converted; pass encoding='utf-8' (--encoding utf-8)"
        )
    return text


def one_line(text: str) -> str:
    """A text for a table: each run of white space and control characters is one space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


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
