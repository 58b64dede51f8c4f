"""Writing the files of the field's common folder layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mrdib_graph.datasets.interaction_file import (
    ITEM_COLUMN,
    LABEL_COLUMN,
    TIME_COLUMN,
    USER_COLUMN,
)


def write_interactions(
    path: Path,
    user: np.ndarray,
    item: np.ndarray,
    rating: np.ndarray,
    time: np.ndarray,
    label: np.ndarray,
) -> None:
    """Write an ``.inter`` file: userID, itemID, rating, timestamp, x_label; each column [E]."""
    import pyarrow
    from pyarrow import csv

    names = [USER_COLUMN, ITEM_COLUMN, "rating", TIME_COLUMN, LABEL_COLUMN]
    columns = [pyarrow.array(column) for column in (user, item, rating, time, label)]
    options = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    with path.open("wb") as file:
        file.write(("\t".join(names) + "\n").encode())
        csv.write_csv(pyarrow.table(columns, names), file, options)


def write_table(path: Path, **columns: Sequence[object]) -> None:
    """Write tab-separated columns under a header; no text may hold a tab or a line end."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\t".join(columns) + "\n")
        for row in zip(*columns.values(), strict=True):
            file.write("\t".join(map(str, row)) + "\n")
