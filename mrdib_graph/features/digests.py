"""SHA-256 of what goes into an encoder, and of what comes out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from torch import Tensor

_ROWS = 2**14


def parts_digest(parts: Iterable[bytes | None]) -> str:
    """Digest of a sequence of byte strings; None, an absent one, differs from an empty one."""
    sha = hashlib.sha256()
    for part in parts:
        if part is None:
            sha.update(b"-")
        else:
            sha.update(b"+%d:" % len(part))
            sha.update(part)
    return sha.hexdigest()


def text_digest(texts: Sequence[str | None]) -> str:
    """Digest of texts in their order."""
    return parts_digest(None if t is None else t.encode("utf-8", "surrogatepass") for t in texts)


def file_digest(path: Path) -> str:
    """Digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path, files: Iterable[Path]) -> str:
    """Digest of names, relative to the folder, and contents of files."""
    parts: list[bytes] = []
    for path in sorted(files):
        parts += [path.relative_to(folder).as_posix().encode(), file_digest(path).encode()]
    return parts_digest(parts)


def tensor_digest(x: Tensor) -> str:
    """Digest of shape and values of ``x`` [n, d] as float32."""
    sha = hashlib.sha256(str(tuple(x.shape)).encode())
    for start in range(0, x.size(0), _ROWS):
        sha.update(x[start : start + _ROWS].float().cpu().contiguous().numpy().data)
    return sha.hexdigest()
