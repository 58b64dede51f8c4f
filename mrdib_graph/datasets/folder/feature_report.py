"""Feature rows that are allowed and yet suspicious: counted, and warned about."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from mrdib_graph.transforms.row_blocks import row_blocks
from mrdib_graph.transforms.scale_features import (
    MAX_NORM_RATIO,
    column_statistics,
    near_constant,
)

logger = logging.getLogger(__name__)

FAR = f"rows with a norm over {MAX_NORM_RATIO:.0f} times above or below the median"


class FeatureReport(NamedTuple):
    """Norm of each row [n] (float64), and the counts of what is suspicious by name."""

    norms: Tensor
    counts: dict[str, int]


def feature_report(x: Tensor) -> FeatureReport:
    """Look at ``x`` [n, d] block by block.

    Counted are all-zero rows, rows equal to an earlier one (by a 64-bit hash of their bits), rows
    that are not zero and whose norm is more than ``MAX_NORM_RATIO`` times above or below the median
    of these, and near-constant columns.
    """
    norms = torch.cat([x[rows].double().norm(dim=1) for rows in row_blocks(x)])
    used = norms[norms > 0]
    median = used.median() if used.numel() else norms.new_tensor(1.0)
    far = (used > MAX_NORM_RATIO * median) | (used < median / MAX_NORM_RATIO)
    counts = {
        "all-zero rows": norms.numel() - used.numel(),
        "rows equal to an earlier row": x.size(0) - torch.unique(_hashes(x)).numel(),
        "near-constant columns": int(near_constant(*column_statistics(x)).sum()),
        FAR: int(far.sum()),
    }
    return FeatureReport(norms, counts)


def report_features(path: Path, x: Tensor) -> dict[str, int]:
    """The counts of :func:`feature_report`; each above 0 is logged as a warning."""
    counts = feature_report(x).counts
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
