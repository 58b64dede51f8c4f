"""Rows in blocks, so that a feature table larger than memory is read piece by piece."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

BLOCK_VALUES = 2**22
"""Least values of a block that is not the last: 16 MiB of float32, 32 MiB of float64.

The C library gives arrays from 32 MiB on back to the system.  Smaller ones lie in its heap, where
what is kept between two of them can split the free space, until as much is lost as the table has.
"""


def row_blocks(x: Tensor) -> Iterator[slice]:
    """Slices that cover the rows of ``x`` [n, d], ``BLOCK_VALUES`` values to a row more each."""
    rows = max(1, -(-BLOCK_VALUES // max(1, x[:1].numel())))
    for start in range(0, x.size(0), rows):
        yield slice(start, min(start + rows, x.size(0)))
