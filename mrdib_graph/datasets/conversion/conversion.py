"""What every reader of a raw format hands to the writer, and how pairs are collected for it."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from mrdib_graph.datasets.files.source_text import check_id
from mrdib_graph.datasets.folder.interaction_checks import same_pairs
from mrdib_graph.errors import DataError

EXACT = 2**53
"""Whole numbers below this are exact in float64."""


class FeatureRows(NamedTuple):
    """Features of the items: row ``row[i]`` of ``x`` [n, d_m], or row i where ``row`` is None."""

    x: Tensor
    row: Tensor | None = None


@dataclass(frozen=True)
class Conversion:
    """Raw files read: users and items are numbered from 0 without gaps at the end.

    Shapes:
        ``user``, ``item`` [E] int64; ``time`` [E]; ``label`` [E] with 0 train, 1 validation, 2
        test, or None where the format has no split.
    """

    user: Tensor
    item: Tensor
    files: list[Path]
    time: Tensor | None = None
    label: Tensor | None = None
    user_ids: list[str] | None = None
    item_ids: list[str] | None = None
    item_columns: dict[str, list[str]] = field(default_factory=dict)
    features: dict[str, FeatureRows] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def num_users(self) -> int:
        """U."""
        return int(self.user.max()) + 1

    @property
    def num_items(self) -> int:
        """I."""
        return int(self.item.max()) + 1


class Pairs(NamedTuple):
    """Distinct pairs [E] in the order of the file, the line of each, and raw ids by number."""

    user: Tensor
    item: Tensor
    time: Tensor | None
    line: Tensor
    user_ids: list[str]
    item_ids: list[str]
    repeated: int

    def conversion(
        self,
        files: list[Path],
        dropped: dict[str, int],
        columns: dict[str, list[str]],
        features: dict[str, FeatureRows] | None = None,
    ) -> Conversion:
        """The pairs with what else was read; of ``dropped``, what is 0 is left out."""
        dropped = {"repeated rows": self.repeated, **dropped}
        return Conversion(
            self.user,
            self.item,
            files,
            self.time,
            user_ids=self.user_ids,
            item_ids=self.item_ids,
            item_columns=columns,
            features=features or {},
            dropped={what: count for what, count in dropped.items() if count},
        )

    def line_of(self, item: int) -> int:
        """The line of the first row of an item."""
        return int(self.line[(self.item == item).nonzero()[0]])


class PairCollector:
    """Numbers raw ids in order of first appearance while a file is read line by line.

    Args:
        path: The file, for messages.
        timed: Whether every row has a time.
    """

    def __init__(self, path: Path, timed: bool) -> None:
        self.path = path
        self._users: dict[str, int] = {}
        self._items: dict[str, int] = {}
        self._rows = array("q")
        self._time = array("d") if timed else None

    def add(self, line: int, user: str, item: str, time: float | None = None) -> None:
        """One row.

        Raises:
            DataError: An id is no id.
        """
        for known, column, raw in ((self._users, "user", user), (self._items, "item", item)):
            if raw not in known:
                known[check_id(self.path, line, column, raw)] = len(known)
        self._rows.extend((self._users[user], self._items[item], line))
        if self._time is not None:
            assert time is not None
            self._time.append(time)

    def finish(self, deduplicate: bool) -> Pairs:
        """All rows.

        Args:
            deduplicate: Keep the first of repeated pairs instead of refusing them.

        Raises:
            DataError: There is no row, or a pair is repeated.
        """
        if not self._rows:
            raise DataError(f"{self.path}: there is no row to keep; nothing to learn from")
        user, item, line = torch.tensor(self._rows).view(-1, 3).t().contiguous()
        time = None if self._time is None else whole(torch.tensor(self._time, dtype=torch.float64))
        kept = distinct(user, item, lambda row: f"{self.path}: line {int(line[row])}", deduplicate)
        repeated = user.numel() - int(kept.sum())
        if repeated:
            user, item, line = user[kept], item[kept], line[kept]
            time = None if time is None else time[kept]
        return Pairs(user, item, time, line, list(self._users), list(self._items), repeated)


def whole(time: Tensor) -> Tensor:
    """Times as int64 where each is a whole number that float64 holds exactly."""
    exact = (time == time.trunc()).all() & (time.abs() < EXACT).all()
    return time.long() if bool(exact) else time


def distinct(user: Tensor, item: Tensor, place: Callable[[int], str], deduplicate: bool) -> Tensor:
    """Mask [E] of the first row of each pair.

    Args:
        user: [E].
        item: [E].
        place: Row number to file and line, for messages.
        deduplicate: Accept repeated pairs.

    Raises:
        DataError: A pair is repeated and ``deduplicate`` is False.
    """
    earlier, later = same_pairs(user, item)
    if later.numel() and not deduplicate:
        row, at = int(later.min()), int(later.argmin())
        raise DataError(
            f"{place(row)} repeats the pair of {place(int(earlier[at])).rpartition(': ')[2]}, and "
            f"{later.numel()} rows in all repeat an earlier pair; remove them, or keep the "
            "first of each with deduplicate=True (--deduplicate)"
        )
    kept = torch.ones_like(user, dtype=torch.bool)
    kept[later] = False
    return kept
