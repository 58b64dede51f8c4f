"""Encoded rows on disk, keyed by what they were made from."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from mrdib_graph.atomic_file import new_file

logger = logging.getLogger(__name__)

CACHE_VERSION = 1  # raise it when an encoder's rows would be computed differently

Facts = dict[str, str]
"""What is known only once the encoder has run: pooling, date and the like."""


def cache_folder(cache: bool | str | Path) -> Path | None:
    """The folder for ``True`` (the library's own), a path (that one) or ``False`` (None)."""
    if isinstance(cache, bool):
        if not cache:
            return None
        if folder := os.environ.get("MRDIB_GRAPH_CACHE"):
            return Path(folder) / "features"
        import pooch

        return Path(pooch.os_cache("mrdib_graph")) / "features"
    return Path(cache)


def cached_rows(
    folder: Path | None, content: dict[str, object], build: Callable[[], tuple[Tensor, Facts]]
) -> tuple[Tensor, Facts]:
    """The result of ``build()``: float32 rows [n, d] and facts, from disk if they are there.

    A damaged file is made again, and a folder that cannot be written is passed over; a warning says
    so each time.

    Args:
        folder: Where the files are; None neither reads nor writes.
        content: Everything that the rows depend on, JSON-ready.
        build: Computes the rows.
    """
    if folder is None:
        return build()
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save_file

    key = hashlib.sha256(json.dumps([CACHE_VERSION, content], sort_keys=True).encode()).hexdigest()
    path = folder / f"{key}.safetensors"
    if path.is_file():
        try:
            with safe_open(path, framework="pt") as file:
                return file.get_tensor("x"), dict(file.metadata())
        except (SafetensorError, OSError) as error:
            logger.warning("cached features %s are damaged (%s): made again", path, error)
    x, facts = build()
    try:
        with new_file(path, error=None) as temporary:
            save_file({"x": x.contiguous()}, temporary, metadata=facts)
    except (SafetensorError, OSError) as error:  # a full disk raises the first
        logger.warning("the feature cache %s cannot be written: %s", folder, error)
    return x, facts
