"""Lines of raw files, as bytes or as text: streamed, with the place of whatever is wrong."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path

from mrdib_graph.datasets.files.raw_files import DamagedFileError
from mrdib_graph.datasets.files.web_page import is_web_page
from mrdib_graph.errors import DataError

MAX_LINE = 2**22
"""Bytes of the longest line that is read: 4 MiB."""

_BAR_EVERY = 4096
_MARK = b"\xef\xbb\xbf"
_KINDS = (  # first bytes of a file -> what it is
    (b"\x1f\x8b", "compressed with gzip: unpack it"),
    (b"PK\x03\x04", "a zip archive: unpack it"),
    (b"\x80", "a pickle, which can run code when it is opened, and is never loaded"),
)


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number, from 1, and bytes of each line that is not empty; ``.gz`` is unpacked on the way.

    Memory holds one line and a buffer, whatever the size of the file.  A byte order mark is
    dropped.  On a terminal a bar shows how far the reading is.

    Raises:
        DamagedFileError: The file is empty, is a web page, is cut short, or does not unpack.
        DataError: It cannot be opened, or a line is longer than ``MAX_LINE`` bytes.
    """
    from tqdm import tqdm

    try:
        size = path.stat().st_size
        with path.open("rb") as raw:
            start = raw.read(64)
            raw.seek(0)
            if not start or is_web_page(start):
                raise DamagedFileError(path, "is a web page" if start else "the file is empty")
            file: BufferedIOBase = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
            bar = tqdm(desc=path.name, total=size, unit="B", unit_scale=True, disable=None)
            with bar:
                for number, line in _limited(path, file):
                    if number % _BAR_EVERY == 0:
                        bar.update(raw.tell() - bar.n)
                    if line := line.rstrip(b"\r\n"):
                        yield number, line
                bar.update(size - bar.n)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DamagedFileError(path, f"damaged or cut short: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def read_text(
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
    try:
        with path.open("rb") as file:
            for number, raw in _limited(path, file):
                if number == 1:
                    _check_kind(path, raw)
                text = _decode(path, number, raw, encoding).removesuffix("\n").removesuffix("\r")
                filled |= bool(text.strip())
                if keep_blank or text.strip():
                    yield number, text
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if not filled:
        raise DataError(f"{path}: line 1: the file is empty")


def _limited(path: Path, file: BufferedIOBase) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each line, its end included and a byte order mark left out."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise DataError(
                f"{path}: line {number} is longer than {MAX_LINE} bytes; this is not the text file "
                "of one record a line that was expected"
            )
        yield number, line.removeprefix(_MARK) if number == 1 else line


def _check_kind(path: Path, raw: bytes) -> None:
    kind = next((kind for head, kind in _KINDS if raw.startswith(head)), None)
    if is_web_page(raw):
        kind = "a web page: download the file again"
    if kind is not None:
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
