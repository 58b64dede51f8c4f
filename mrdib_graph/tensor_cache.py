"""Tensors on disk that can be made again: read, or built and written."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from mrdib_graph.atomic_file import new_file

logger = logging.getLogger(__name__)

Content = tuple[dict[str, Tensor], dict[str, str]]
"""Tensors by name, and short facts about them."""


def cache_dir() -> Path:
    """The cache folder: ``$MRDIB_GRAPH_CACHE``, or the platform's own cache folder."""
    if folder := os.environ.get("MRDIB_GRAPH_CACHE"):
        return Path(folder)
    import pooch

    return Path(pooch.os_cache("mrdib_graph"))


def read_or_build(path: Path, what: str, build: Callable[[], Content]) -> Content:
    """The content of a ``.safetensors`` file, or the result of ``build()``, which is kept there.

    A damaged file is made again, and a folder that cannot be written is passed over; a warning
    says so each time.

    Args:
        path: The file.
        what: What it holds, for the warnings.
        build: Makes the content.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save_file

    if path.is_file():
        try:
            with safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
        except (SafetensorError, OSError) as error:
            logger.warning("cached %s %s is damaged (%s): made again", what, path, error)
    tensors, facts = build()
    try:
        with new_file(path, error=None) as temporary:
            kept = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
            save_file(kept, temporary, metadata=facts)
    except (SafetensorError, OSError) as error:  # a full disk raises the first
        logger.warning("the %s cache %s cannot be written: %s", what, path.parent, error)
    return tensors, facts
