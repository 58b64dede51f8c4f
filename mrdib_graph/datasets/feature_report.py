"""Warnings about feature rows that are allowed and yet suspicious."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from torch import Tensor

from mrdib_graph.transforms.row_blocks import row_blocks
from mrdib_graph.transforms.scale_features import column_statistics, near_constant

logger = logging.getLogger(__name__)


def report_features(path: Path, x: Tensor) -> dict[str, int]:
    """Count all-zero rows, rows equal to an earlier one, and near-constant columns of ``x`` [n, d].

    Each count above 0 is logged as a warning.  Equal rows are found by a 64-bit hash of their bits.
    """
    zero = sum(int((x[rows] == 0).all(1).sum()) for rows in row_blocks(x))
    counts = {
        "all-zero rows": zero,
        "rows equal to an earlier row": x.size(0) - torch.unique(_hashes(x)).numel(),
        "near-constant columns": int(near_constant(*column_statistics(x)).sum()),
    }
    for what, count in counts.items():
        if count:
            logger.warning("%s: %d %s", path, count, what)
    return counts


def _hashes(x: Tensor) -> Tensor:
    """A 64-bit multiplicative hash of each row [n]; integer arithmetic wraps around."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randint(-(2**63), 2**63 - 1, (x.size(1),), generator=generator) | 1
    return torch.cat(
        [(x[rows].contiguous().view(torch.int32).long() * weight).sum(1) for rows in row_blocks(x)]
    )
