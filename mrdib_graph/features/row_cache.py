"""Encoded rows on disk, keyed by what they were made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from mrdib_graph.tensor_cache import Content, cache_dir, read_or_build

CACHE_VERSION = 1  # raise it when an encoder's rows would be computed differently

Facts = dict[str, str]
"""What is known only once the encoder has run: pooling, date and the like."""


def cache_folder(cache: bool | str | Path) -> Path | None:
    """The folder for ``True`` (the library's own), a path (that one) or ``False`` (None)."""
    if isinstance(cache, bool):
        return cache_dir() / "features" if cache else None
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
    key = hashlib.sha256(json.dumps([CACHE_VERSION, content], sort_keys=True).encode()).hexdigest()

    def make() -> Content:
        x, facts = build()
        return {"x": x}, facts

    tensors, facts = read_or_build(folder / f"{key}.safetensors", "feature", make)
    return tensors["x"], facts
