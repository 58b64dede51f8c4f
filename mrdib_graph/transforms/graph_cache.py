"""Derived graphs on disk, keyed by the content they were made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from mrdib_graph.tensor_cache import cache_dir, read_or_build

CACHE_VERSION = 1  # raise it when a cached graph would be computed differently
_MINIMUM_BYTES = 2**24  # smaller inputs are rebuilt faster than they are hashed and read


def content_key(tensors: dict[str, Tensor], options: dict[str, object]) -> str:
    """SHA-256 of tensors, options and cache version; equal content gives an equal key."""
    sha = hashlib.sha256(json.dumps([CACHE_VERSION, options], sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        sha.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        rows = max(1, 2**24 // max(1, tensor[:1].numel()))
        for start in range(0, tensor.size(0), rows):
            block = tensor[start : start + rows].detach().cpu().contiguous()
            sha.update(block.view(torch.uint8).numpy().data)
    return sha.hexdigest()


def cached(
    tensors: dict[str, Tensor],
    options: dict[str, object],
    build: Callable[[], dict[str, Tensor]],
    folder: Path | None = None,
    minimum_bytes: int = _MINIMUM_BYTES,
) -> dict[str, Tensor]:
    """The result of ``build()``, read from disk when the same content was built before.

    A file that is damaged, half written or made by another version is rebuilt, with one warning.
    A folder that cannot be written is warned about; the result is returned all the same.

    Args:
        tensors: Everything the result depends on.
        options: The options it depends on; must be JSON-ready.
        build: Makes the result.
        folder: Cache folder, :func:`cache_dir` by default.
        minimum_bytes: Inputs below this size are not cached.
    """
    if sum(t.numel() * t.element_size() for t in tensors.values()) < minimum_bytes:
        return build()
    path = (folder or cache_dir()) / f"{content_key(tensors, options)}.safetensors"
    return read_or_build(path, "graph", lambda: (build(), {}))[0]
