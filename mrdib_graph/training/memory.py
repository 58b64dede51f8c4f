"""Memory in use."""

from __future__ import annotations

import psutil
import torch


def memory_mb() -> float:
    """Memory in MB: peak on the GPU where one is used, else resident in this process."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return torch.cuda.max_memory_allocated() / 2**20
    resident: int = psutil.Process().memory_info().rss
    return resident / 2**20
