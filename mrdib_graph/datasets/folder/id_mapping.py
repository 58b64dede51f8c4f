"""Tables that join row numbers to raw ids and names: tab-separated text with a header."""

from __future__ import annotations

import re
from pathlib import Path

from mrdib_graph.errors import DataError

_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


def read_id_table(path: str | Path, column: str, size: int) -> dict[str, list[str]]:
    """The other columns of a table, each as a list in the order of the ids in ``column``.

    Args:
        path: The file, ``u_id_mapping.csv`` for example (tab-separated in spite of its name).
        column: The column that holds 0 .. size - 1, each once, in any order.
        size: Number of users or items.

    Raises:
        DataError: The file cannot be read, lacks the column, or the ids are not 0 .. size - 1.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    header, *lines = text.rstrip("\n").split("\n")
    names = header.split("\t")
    if column not in names or len(names) < 2:
        raise DataError(
            f"{path}: line 1 is {header[:120]!r}, expected tab-separated columns, {column} and at "
            "least one more"
        )
    table: list[list[str] | None] = [None] * size
    at = names.index(column)
    for number, line in enumerate(lines, start=2):
        fields = line.split("\t")
        if len(fields) != len(names):
            raise DataError(
                f"{path}: line {number} has {len(fields)} fields, expected {len(names)}"
            )
        row = int(fields[at]) if _NUMBER.fullmatch(fields[at]) else -1
        if not 0 <= row < size or table[row] is not None:
            raise DataError(
                f"{path}: line {number}, column {column}: got {fields[at][:60]!r}, expected each "
                f"of 0 to {size - 1} once"
            )
        table[row] = fields
    rows = [fields for fields in table if fields is not None]
    if len(rows) < size:
        raise DataError(
            f"{path}: {size - len(rows)} of {size} ids have no line, the first is "
            f"{table.index(None)}; the interactions have {size} ids"
        )
    return {name: [row[i] for row in rows] for i, name in enumerate(names) if i != at}
