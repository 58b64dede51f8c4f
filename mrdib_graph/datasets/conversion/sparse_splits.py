"""Splits as sparse matrices, the form of DiffMM and its TikTok set, from ``.npz`` files only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from mrdib_graph.datasets.conversion.conversion import Conversion
from mrdib_graph.datasets.conversion.given_splits import assemble
from mrdib_graph.datasets.files.npz_file import read_npz
from mrdib_graph.datasets.files.source_text import need_file
from mrdib_graph.errors import DataError

NAMES = ("trnMat", "valMat", "tstMat")


def read_diffmm(
    source: Path,
    features: Mapping[str, str | Path] | None = None,
    deduplicate: bool = False,
    renumber: bool = False,
) -> Conversion:
    """Read ``trnMat.npz``, ``valMat.npz`` and ``tstMat.npz``, as
    `DiffMM <https://arxiv.org/abs/2406.11781>`_ names them.

    Each is a SciPy matrix [U, I] of format ``coo``, ``csr`` or ``csc`` whose values other than 0
    are interactions; row i of a feature file is item i.  The published files are pickles, and
    opening a pickle runs whatever code it holds, so they are refused with the commands that turn
    them into ``.npz`` files in a sandbox.

    Args:
        source: The folder.
        features: Modality to ``.npy`` file; None takes every ``<modality>_feat.npy`` beside.
        deduplicate: Keep the first of pairs that are repeated inside a split.
        renumber: Number users and items that have a row from 0, with their feature rows.

    Raises:
        DataError: A file is a pickle or malformed, or the splits do not fit together.
    """
    files = [_file(source, name) for name in NAMES]
    parts, shapes = [], []
    for label, path in enumerate(files):
        user, item, shape = _entries(path)
        parts.append(torch.stack([user, item, torch.full_like(user, label)], 1))
        shapes.append(shape)
        if shape != shapes[0]:
            raise DataError(
                f"{path}: entry shape: the matrix is {shape}, and {files[0].name} is {shapes[0]}; "
                "all three must have one row a user and one column an item"
            )
    start = torch.tensor([0, *(len(part) for part in parts)]).cumsum(0)

    def place(row: int) -> str:
        label = int((start[1:] <= row).sum())
        return f"{files[label]}: entry {row - int(start[label])}"

    return assemble(source, files, torch.cat(parts), place, features, deduplicate, renumber)


def _file(folder: Path, name: str) -> Path:
    for pickled in (folder / f"{name}.pkl", folder / f"{name}.pickle", folder / name):
        if pickled.is_file() and not (folder / f"{name}.npz").is_file():
            raise DataError(
                f"{pickled}: line 1: this is a pickle: opening it runs whatever code it holds, so "
                "it is never opened here. Convert it in a sandbox, a container without network and "
                f'without your files:  python -c "import pickle, scipy.sparse as s; '
                f"s.save_npz('{name}.npz', s.coo_matrix(pickle.load(open('{pickled.name}', "
                f"'rb'))))\"  and put {name}.npz here"
            )
    return need_file(folder, f"{name}.npz", "a matrix saved with scipy.sparse.save_npz")


def _entries(path: Path) -> tuple[torch.Tensor, torch.Tensor, tuple[int, int]]:
    """Users and items of the values other than 0, and the shape of the matrix."""
    arrays = read_npz(path, ("format", "shape", "data", "row", "col", "indices", "indptr"))
    kind = _kind(path, arrays)
    needed = ("row", "col") if kind == "coo" else ("indices", "indptr")
    for name in ("shape", "data", *needed):
        array = arrays.get(name)
        whole = "iu" if name != "data" else "iufb"
        if array is None or array.ndim != 1 or array.dtype.kind not in whole:
            got = "nothing" if array is None else f"{array.dtype} of shape {array.shape}"
            raise DataError(f"{path}: entry {name}.npy: got {got}, expected a list of numbers")
    shape, data = arrays["shape"], arrays["data"]
    if len(shape) != 2 or not all(0 < int(size) < 2**31 for size in shape):
        raise DataError(f"{path}: entry shape.npy: got {shape.tolist()[:4]}, expected [U, I]")
    if not np.isfinite(data).all():
        raise DataError(f"{path}: entry data.npy: a value is NaN or infinite")
    rows, columns = int(shape[0]), int(shape[1])
    if kind == "coo":
        user, item = arrays["row"], arrays["col"]
    else:
        major = _major(path, arrays, rows if kind == "csr" else columns)
        minor = arrays["indices"]
        user, item = (major, minor) if kind == "csr" else (minor, major)
    for name, index, size in (("row", user, rows), ("column", item, columns)):
        if len(index) != len(data):
            raise DataError(
                f"{path}: entry data.npy: {len(data)} values, and {len(index)} {name} numbers"
            )
        if len(index) and not (0 <= int(index.min()) and int(index.max()) < size):
            raise DataError(
                f"{path}: entry {name}s: they go from {int(index.min())} to {int(index.max())}, "
                f"expected 0 to {size - 1}"
            )
    used = data != 0
    user, item = (index[used].astype(np.int64) for index in (user, item))
    return torch.from_numpy(user), torch.from_numpy(item), (rows, columns)


def _kind(path: Path, arrays: dict[str, np.ndarray]) -> str:
    found = arrays.get("format")
    kind = found.item() if found is not None and found.size == 1 else None
    kind = kind.decode("latin-1") if isinstance(kind, bytes) else kind
    if kind not in ("coo", "csr", "csc"):
        raise DataError(
            f"{path}: entry format.npy: got {str(kind)[:60]!r}, expected coo, csr or csc; save the "
            "matrix with scipy.sparse.save_npz"
        )
    return str(kind)


def _major(path: Path, arrays: dict[str, np.ndarray], size: int) -> np.ndarray:
    """The compressed index, one number a value."""
    start = arrays["indptr"].astype(np.int64)
    rising = len(start) == size + 1 and start[0] == 0 and bool((np.diff(start) >= 0).all())
    if not rising or start[-1] != len(arrays["indices"]):
        raise DataError(
            f"{path}: entry indptr.npy: expected {size + 1} numbers that rise from 0 to "
            f"{len(arrays['indices'])}, the number of indices"
        )
    return np.repeat(np.arange(size), np.diff(start))
