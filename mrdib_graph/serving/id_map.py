"""Ids to table rows, with a helpful answer to an id that is not there."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from numbers import Integral

import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError, suggest

MAX_COMPARED = 2000
"""Ids that a message looks through for the nearest one, so that a large map answers at once."""
MAX_SHOWN = 60


def text_of_rows(values: Sequence[str], size: int, what: str, kind: str) -> list[str]:
    """Ids or names as a list, one text for each row of a table.

    Raises:
        ConfigError: Their number is wrong, or one is no text.
    """
    if len(values) != size:
        raise ConfigError(f"{what}_{kind}: got {len(values)} {kind} for {size} {what} rows")
    for row, value in enumerate(values):
        if not isinstance(value, str):
            raise ConfigError(f"{what}_{kind}: row {row} is {value!r}, expected text")
    return list(values)


class IdMap:
    """The ids of the rows of a table, each once.

    Args:
        ids: Id of each row; None numbers the rows ``'0', '1', ...``.
        size: Number of rows.
        what: ``'user'`` or ``'item'``, for messages.

    Raises:
        ConfigError: The number of ids is wrong, one is no text, or one comes twice.
    """

    def __init__(self, ids: Sequence[str] | None, size: int, what: str) -> None:
        self.what = what
        given = [str(row) for row in range(size)] if ids is None else ids
        self.ids = text_of_rows(given, size, what, "ids")
        self._rows = {value: row for row, value in enumerate(self.ids)}
        if len(self._rows) < size:
            row = next(row for row, value in enumerate(self.ids) if self._rows[value] != row)
            raise ConfigError(
                f"{what}_ids: '{_short(self.ids[row])}' comes twice, in rows {row} and "
                f"{self._rows[self.ids[row]]}; each id must be there once"
            )
        self._sorted: list[str] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, value: object) -> bool:
        return value in self._rows

    def row(self, value: object) -> int:
        """The row of an id; a whole number is read as its decimal text.

        Raises:
            ConfigError: The id has the wrong type or is unknown; the message names the nearest.
        """
        if type(value) is not bool and isinstance(value, Integral):
            value = str(int(value))
        if not isinstance(value, str):
            raise ConfigError(
                f"{self.what}: got {_short(repr(value))} ({type(value).__name__}), expected an id "
                "as text"
            )
        row = self._rows.get(value)
        if row is None:
            near = suggest(value, self._neighbours(value)) if len(value) <= MAX_SHOWN else ""
            raise ConfigError(
                f"{self.what}: '{_short(value)}' is unknown{near or '.'} The {len(self)} ids look "
                f"like '{_short(self.ids[0])}'"
            )
        return row

    def rows(self, values: Iterable[object], argument: str) -> Tensor:
        """The rows [n] of many ids.

        Raises:
            ConfigError: It is no list, or :meth:`row` refuses an id.
        """
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            raise ConfigError(f"{argument}: got {_short(repr(values))}, expected a list of ids")
        return torch.tensor([self.row(value) for value in values], dtype=torch.int64)

    def _neighbours(self, value: str) -> list[str]:
        """All ids of a small map; of a large one those next to the value in sorted order."""
        if len(self) <= MAX_COMPARED:
            return self.ids
        if self._sorted is None:
            self._sorted = sorted(self.ids)
        middle = bisect.bisect_left(self._sorted, value)
        return self._sorted[max(0, middle - MAX_COMPARED // 2) : middle + MAX_COMPARED // 2]


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
