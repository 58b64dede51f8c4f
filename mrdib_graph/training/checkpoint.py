"""Checkpoints that are whole or absent: temporary name, digest, sync, rename."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from mrdib_graph.atomic_file import new_file
from mrdib_graph.errors import CheckpointError

_MAGIC = b"mrdib_graph checkpoint 1\n"


def save(state: dict[str, Any], path: Path) -> None:
    """Write a state of tensors and plain values.

    The bytes go to a temporary name beside the target, are synced and then renamed over it, so a
    process that is killed at any moment leaves the previous checkpoint or the new one.

    Raises:
        CheckpointError: The file cannot be written; the previous one is untouched.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    payload = buffer.getbuffer()
    what = f"the checkpoint of {len(payload) / 2**20:.1f} MB"
    with new_file(path, True, what, CheckpointError) as temporary, temporary.open("wb") as file:
        file.write(_MAGIC)
        file.write(hashlib.sha256(payload).hexdigest().encode() + b"\n")
        file.write(payload)


def load(path: Path) -> dict[str, Any]:
    """Read a state back; nothing in the file is executed (``weights_only``).

    Raises:
        CheckpointError: The file is missing, damaged or not a checkpoint.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: the checkpoint cannot be read: {error}") from error
    head = len(_MAGIC) + 65
    if not content.startswith(_MAGIC) or content[head - 1 : head] != b"\n":
        raise CheckpointError(f"{path}: not a checkpoint of this version of the library")
    digest, payload = content[len(_MAGIC) : head - 1].decode("ascii", "replace"), content[head:]
    if hashlib.sha256(payload).hexdigest() != digest:
        raise CheckpointError(f"{path}: the checkpoint is damaged (its digest does not match)")
    try:
        state: dict[str, Any] = torch.load(
            io.BytesIO(payload), weights_only=True, map_location="cpu"
        )
    except Exception as error:  # whatever else its bytes say
        raise CheckpointError(f"{path}: not a checkpoint of this library: {error}") from error
    return state
