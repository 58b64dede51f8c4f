"""The files of the field's common folder layout, one function for each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mrdib_graph.transforms.row_blocks import BLOCK_VALUES


def write_interactions(path: Path, columns: Mapping[str, np.ndarray | Tensor | None]) -> None:
    """Write an ``.inter`` file.

    Args:
        path: The file.
        columns: Name to column [E], in the order of the file; a column that is None is left out.
    """
    import pyarrow
    from pyarrow import csv

    found = {name: np.asarray(column) for name, column in columns.items() if column is not None}
    options = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    with path.open("wb") as file:
        file.write(("\t".join(found) + "\n").encode())
        csv.write_csv(pyarrow.table(found), file, options)


def write_table(path: Path, **columns: Sequence[object]) -> None:
    """Write tab-separated columns under a header; no text may hold a tab or a line end."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\t".join(columns) + "\n")
        for row in zip(*columns.values(), strict=True):
            file.write("\t".join(map(str, row)) + "\n")


def write_feature_rows(path: Path, x: Tensor, row: Tensor | None = None) -> None:
    """Write ``x`` [n, d], or its rows ``row`` [I], as a float32 ``.npy`` file.

    It goes block by block: features may be larger than memory.
    """
    index = torch.arange(x.size(0)) if row is None else row
    size = max(1, BLOCK_VALUES // x.size(1))
    shape = (index.numel(), x.size(1))
    out = np.lib.format.open_memmap(path, "w+", np.dtype(np.float32), shape)
    for start in range(0, index.numel(), size):
        block = index[start : start + size]
        out[start : start + block.numel()] = x[block].numpy()
    out.flush()
