"""Records from a large text file, compressed or not, one line at a time."""

from __future__ import annotations

import ast
import gzip
import json
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from mrdib_graph.datasets.raw_files import DamagedFileError
from mrdib_graph.datasets.web_page import is_web_page
from mrdib_graph.errors import DataError

MAX_LINE = 2**22
"""Bytes of the longest line that is read: 4 MiB."""

_BAR_EVERY = 4096


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number, from 1, and bytes of each line that is not blank; ``.gz`` is unpacked on the way.

    Memory holds one line and a buffer, whatever the size of the file.  On a terminal a bar shows
    how far the reading is.

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
                for number, line in enumerate(_limited(path, file), start=1):
                    if number % _BAR_EVERY == 0:
                        bar.update(raw.tell() - bar.n)
                    if line := line.rstrip(b"\r\n"):
                        yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                bar.update(size - bar.n)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DamagedFileError(path, f"damaged or cut short: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _limited(path: Path, file: BufferedIOBase) -> Iterator[bytes]:
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise DataError(
                f"{path}: line {number} is longer than {MAX_LINE} bytes; this is no file of one "
                "record a line"
            )
        yield line


def parse_record(line: bytes) -> dict[Any, Any] | None:
    """The dictionary that a line holds, as JSON or else as a Python literal; None for neither.

    A literal is read with ``ast.literal_eval``, which runs no code.
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return None
    return value if isinstance(value, dict) else None


class BadLines:
    """Lines that cannot be used: none are allowed, or up to a stated share.

    Args:
        path: The file, for messages.
        allowed: Share of lines in [0, 1) that may be bad.
    """

    def __init__(self, path: Path, allowed: float = 0.0) -> None:
        self.path = path
        self.allowed = allowed
        self.count = 0
        self.first = ""

    def add(self, number: int, line: bytes, expected: str) -> None:
        """Count a bad line.

        Raises:
            DataError: None are allowed.
        """
        self.count += 1
        self.first = self.first or (
            f"line {number} is {line[:80].decode('utf-8', 'replace')!r}, expected {expected}"
        )
        if not self.allowed:
            raise DataError(f"{self.path}: {self.first}; repair the file, or allow bad_lines")

    def check(self, total: int) -> None:
        """Compare the share of bad lines among ``total`` with the allowed one.

        Raises:
            DataError: There are more.
        """
        if self.count > self.allowed * total:
            raise DataError(
                f"{self.path}: {self.count} of {total} lines are bad, more than the allowed share "
                f"{self.allowed}; {self.first}"
            )
