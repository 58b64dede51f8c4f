"""Rows in blocks, so that a feature table larger than memory is read piece by piece."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

BLOCK_VALUES = 2**22
"""Values a block: 16 MiB of float32."""


def row_blocks(x: Tensor) -> Iterator[slice]:
    """Slices that cover the rows of ``x`` [n, d], about ``BLOCK_VALUES`` values each."""
    rows = max(1, BLOCK_VALUES // max(1, x[:1].numel()))
    for start in range(0, x.size(0), rows):
        yield slice(start, min(start + rows, x.size(0)))
