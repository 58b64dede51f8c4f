"""Split interactions as JSON, the form of LATTICE and of work built on it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import torch

from mrdib_graph.datasets.conversion.conversion import Conversion
from mrdib_graph.datasets.conversion.given_splits import assemble
from mrdib_graph.datasets.files.source_text import need_file
from mrdib_graph.errors import DataError

FILES = ("train.json", "val.json", "test.json")
_ID = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)


def read_lattice(
    source: Path,
    features: Mapping[str, str | Path] | None = None,
    deduplicate: bool = False,
    renumber: bool = False,
) -> Conversion:
    """Read ``train.json``, ``val.json`` and ``test.json`` of
    `LATTICE <https://arxiv.org/abs/2104.09036>`_.

    Each is one object, ``{"user": [items]}``, with users and items numbered from 0; row i of a
    feature file is item i.

    Args:
        source: The folder.
        features: Modality to ``.npy`` file; None takes every ``<modality>_feat.npy`` beside.
        deduplicate: Keep the first of pairs that are repeated inside a split.
        renumber: Number users and items that have a row from 0, with their feature rows.

    Raises:
        DataError: A file is malformed or the splits do not fit together.
    """
    files = [need_file(source, name, f"a split of {', '.join(FILES)}") for name in FILES]
    rows: list[tuple[int, int, int]] = []
    for label, path in enumerate(files):
        rows += [(user, item, label) for user, item in _pairs(path)]

    def place(row: int) -> str:
        user, _, label = rows[row]
        return f"{files[label]}: line {_line(files[label].read_text('utf-8'), str(user))}"

    table = torch.tensor(rows, dtype=torch.int64).view(-1, 3)
    return assemble(source, files, table, place, features, deduplicate, renumber)


def _pairs(path: Path) -> list[tuple[int, int]]:
    text = _text(path)

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            again = next(name for name in names if names.count(name) > 1)
            raise DataError(
                f"{path}: line {_line(text, again)}: the key {again[:60]!r} occurs twice"
            )
        return found

    def no_number(name: str) -> NoReturn:
        raise DataError(f"{path}: line {_line(text, '')}: holds {name}, which is not JSON")

    try:
        users = json.loads(text, object_pairs_hook=unique, parse_constant=no_number)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: line {error.lineno}: this is not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: line 1: this is not JSON of this form: {error}") from error
    if not isinstance(users, dict):
        raise DataError(
            f"{path}: line 1: got {type(users).__name__}, expected an object of users and their "
            'items, {"0": [12, 7], "1": [3]}'
        )
    return [pair for user, items in users.items() for pair in _of_user(path, text, user, items)]


def _of_user(path: Path, text: str, user: str, items: object) -> list[tuple[int, int]]:
    where = f"{path}: line {_line(text, user)}"
    if not _ID.fullmatch(user):
        raise DataError(f"{where}: user {user[:60]!r}: expected a whole number from 0")
    if not isinstance(items, list):
        raise DataError(
            f"{where}: user {user} has {type(items).__name__}, expected a list of item numbers"
        )
    for item in items:
        if type(item) is not int or not 0 <= item < 10**18:
            raise DataError(
                f"{where}: user {user} has the item {str(item)[:60]!r}, expected a whole number "
                "from 0"
            )
    return [(int(user), item) for item in items]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}: line {line} is not UTF-8; save the file as JSON text") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _line(text: str, key: str) -> int:
    """The line of the last place where a key is written, 1 where it is written in escapes."""
    return text.count("\n", 0, max(0, text.rfind(json.dumps(key)))) + 1
