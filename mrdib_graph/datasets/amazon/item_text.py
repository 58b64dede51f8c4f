"""One text for each item from the metadata of Amazon Reviews."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mrdib_graph.datasets.files.json_lines import BadLines, parse_record
from mrdib_graph.datasets.files.raw_lines import read_lines

_KEY = re.compile(rb"""["'](?:parent_)?asin["']\s*:\s*["']([^"']+)["']""")
_BREAKS = dict.fromkeys(map(ord, "\t\n\r\v\f\0\x1c\x1d\x1e\x85\u2028\u2029"), " ")
_EXPECTED = "a JSON object or a Python dictionary with the item's id"
Compose = Callable[[Mapping[Any, Any]], str]


class ItemTexts(NamedTuple):
    """Title and assembled text of each item, and counts."""

    titles: list[str]
    texts: list[str]
    counts: dict[str, int]


def compose_2014(record: Mapping[Any, Any]) -> str:
    """Title, brand, the categories of the first path, description; a missing field is one space.

    The text is ``title + " " + brand + " " + category_1 + " " + ... + " " + description``, as most
    published text features of this release were made.
    """
    paths = record.get("categories")
    first = paths[0] if isinstance(paths, list | tuple) and paths else paths
    return (
        f"{_text(record.get('title'))} {_text(record.get('brand'))} "
        f"{_path(first)}{_text(record.get('description'))}"
    )


def compose_2023(record: Mapping[Any, Any]) -> str:
    """Title, store, categories, features, description; lists are joined by spaces."""
    return (
        f"{_text(record.get('title'))} {_text(record.get('store'))} "
        f"{_path(record.get('categories'))}{_text(record.get('features'))} "
        f"{_text(record.get('description'))}"
    )


def read_texts(
    path: Path, items: Mapping[str, int], key: str, compose: Compose, bad_lines: float = 0.0
) -> ItemTexts:
    """Read the metadata line by line and keep titles and texts of some items.

    Only lines that name one of ``items`` are parsed; any other line must begin and end as a
    dictionary does.  Of repeated records of an item the last one wins, and an item without a record
    gets the text of an empty one.  Line ends and tabs inside a text become spaces, and halves of
    surrogate pairs become question marks.

    Args:
        path: The file, JSON or Python literals, one record a line.
        items: Row number of each wanted item.
        key: Field that holds the item's id.
        compose: Record to text.
        bad_lines: Share of lines that may be bad.

    Raises:
        DataError: A line is bad beyond that share, or the file cannot be read.
    """
    titles, texts = [""] * len(items), [_line(compose({}))] * len(items)
    found, bad, total, repeated = bytearray(len(items)), BadLines(path, bad_lines), 0, 0
    lacking = dict.fromkeys(("a title", "a description", "both"), 0)
    lacks: dict[int, tuple[bool, bool]] = {}
    for number, line in read_lines(path):
        total += 1
        names = [name.decode("utf-8", "replace") for name in _KEY.findall(line)]
        if names and not any(name in items for name in names):
            if not (line.startswith(b"{") and line.rstrip().endswith(b"}")):
                bad.add(number, line, _EXPECTED)
            continue
        record = parse_record(line)
        item = None if record is None else record.get(key)
        if record is None or not isinstance(item, str):
            bad.add(number, line, _EXPECTED)
        elif (row := items.get(item)) is not None:
            try:
                written = _line(_text(record.get("title"), "")), _line(compose(record))
            except (ValueError, RecursionError):  # a number or list that str() refuses
                bad.add(number, line, _EXPECTED)
                continue
            repeated += found[row]
            found[row] = 1
            titles[row], texts[row] = written
            lacks[row] = (not record.get("title"), not record.get("description"))
    bad.check(total)
    for title, description in lacks.values():
        lacking["a title"] += title
        lacking["a description"] += description
        lacking["both"] += title and description
    counts = {"records read": total, "bad lines": bad.count, "repeated records": repeated}
    counts |= {"items without a record": len(items) - sum(found)}
    return ItemTexts(
        titles, texts, counts | {f"records without {n}": c for n, c in lacking.items()}
    )


def _text(value: object, missing: str = " ") -> str:
    if value is None:
        return missing
    if isinstance(value, list | tuple):
        return " ".join(str(part) for part in value) if value else missing
    return str(value)


def _path(value: object) -> str:
    """Each category followed by a space; one space where there are none."""
    if isinstance(value, list | tuple) and value:
        return "".join(f"{category} " for category in value)
    return " " if value is None or isinstance(value, list | tuple) else f"{value} "


def _line(text: str) -> str:
    return text.translate(_BREAKS).encode("utf-8", "replace").decode("utf-8")
