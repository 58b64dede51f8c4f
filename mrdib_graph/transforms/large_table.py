"""Room for a table of rows: in memory, or in a file where it is large."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mrdib_graph.errors import DataError
from mrdib_graph.tensor_cache import cache_dir

LARGE_BYTES = 2**29
"""Tables from this size on (512 MiB) lie in a file."""


def new_table(shape: Sequence[int], device: torch.device | None = None) -> Tensor:
    """A float32 tensor whose values are not set, for a caller that fills it block by block.

    On the CPU a large one is mapped from a file without a name in the folder of cached graphs
    (``$MRDIB_GRAPH_CACHE``, or the platform's cache folder), not in the folder for temporary files,
    which often is memory.  Pages go to the disk when memory is short, and the disk gets its space
    back when the process ends, however it does.

    Args:
        shape: Its sizes.
        device: Where it lies; the CPU for None.

    Raises:
        DataError: The folder cannot be written, or has too little space.
    """
    size = 4 * math.prod(shape)
    if size < LARGE_BYTES or (device is not None and device.type != "cpu"):
        return torch.empty(*shape, device=device)
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, prefix="table-") as file:
            if hasattr(os, "posix_fallocate"):  # a full disk is an error here, a crash later on
                os.posix_fallocate(file.fileno(), 0, size)
            return torch.from_numpy(np.memmap(file, np.float32, "r+", shape=tuple(shape)))
    except OSError as error:
        raise DataError(
            f"{folder}: a table of {size} bytes cannot be put there: {error.strerror}; make space, "
            "or name another folder in MRDIB_GRAPH_CACHE"
        ) from error
