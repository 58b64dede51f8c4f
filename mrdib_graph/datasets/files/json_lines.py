"""Records of one line, and lines that cannot be used."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

from mrdib_graph.errors import DataError


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
