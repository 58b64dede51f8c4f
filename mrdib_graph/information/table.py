"""Plain text tables."""

from __future__ import annotations

from collections.abc import Sequence


def render(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns under their headings, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = [headings, ["-" * w for w in widths], *rows]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
