"""Where a recommender is trained."""

from __future__ import annotations

import torch

from mrdib_graph import distributed
from mrdib_graph.errors import ConfigError


def resolve_device(name: str) -> torch.device:
    """``'auto'`` is the GPU where there is one, else the CPU; each process has a GPU of its own.

    Raises:
        ConfigError: No such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    name = distributed.local_device(name)
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device: '{name}' is not available: {error}") from error
    return device
