"""Feature rows from one ``.npy`` file, checked before they are read and mapped where possible."""

from __future__ import annotations

import math
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from mrdib_graph.datasets.files.npy_header import read_header
from mrdib_graph.errors import DataError
from mrdib_graph.transforms.large_table import new_table
from mrdib_graph.transforms.row_blocks import row_blocks

_KINDS = (  # first bytes of a file -> what it is
    (b"\x80", "a pickle, which can run code when it is opened: it is never loaded"),
    (b"PK", "a zip archive (.npz or .pt): its pickles can run code, so it is never loaded"),
    (b"\x1f\x8b", "compressed with gzip: unpack it"),
    (b"<", "a web page: download the file again"),
)


def read_features(path: str | Path, allow_integers: bool = False) -> Tensor:
    """Read a ``.npy`` file of shape [n, d] as float32.

    A float32 file stays on disk: the tensor is mapped copy-on-write, and pages are read at use.
    Everything else is converted in blocks, into a file of its own where the result is large (see
    :mod:`mrdib_graph.transforms.large_table`).  Nothing is unpickled, and the header is checked
    against the size of the file before anything is allocated.

    Args:
        path: The file.
        allow_integers: Whether to convert integers too.

    Raises:
        DataError: The file is absent, not a ``.npy`` file, shorter or longer than its header says,
            not two-dimensional, empty, of another type, or holds NaN or infinity as float32.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: there is no such feature file")
    try:
        with path.open("rb") as file:
            shape, fortran, dtype = _header(path, file)
            offset = file.tell()
        size = path.stat().st_size
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    _check_type(path, dtype, allow_integers)
    if len(shape) != 2 or min(shape) < 1:
        raise DataError(
            f"{path}: the array has shape {shape}, expected [items, width], both at least 1"
        )
    promised = offset + math.prod(shape) * dtype.itemsize
    if promised != size:
        raise DataError(
            f"{path}: the header promises {shape} of {dtype}, {promised} bytes with the header, "
            f"and the file has {size}; it is damaged: copy or download it again"
        )
    array = np.memmap(path, dtype, "c", offset, shape, "F" if fortran else "C")
    if dtype == np.float32 and not fortran and array.flags.aligned:
        x = torch.from_numpy(array)
    else:
        x = new_table(shape)
        with np.errstate(over="ignore"):  # the overflow is found and reported below
            for rows in row_blocks(x):
                x[rows] = torch.from_numpy(np.ascontiguousarray(array[rows], dtype=np.float32))
    _check_finite(path, x, array)
    return x


def _header(path: Path, file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    start = file.read(8)
    file.seek(0)
    if not start.startswith(b"\x93NUMPY"):
        kind = next((text for head, text in _KINDS if start.startswith(head)), "of unknown kind")
        raise DataError(
            f"{path}: byte 0 starts {start!r}: not a .npy file but {kind if start else 'empty'}; "
            "save the array with numpy.save(path, array, allow_pickle=False)"
        )
    return read_header(str(path), file)


def _check_type(path: Path, dtype: np.dtype[np.generic], allow_integers: bool) -> None:
    if dtype.kind == "f" and dtype.itemsize in (2, 4, 8):
        return
    if dtype.kind in "iu":
        if allow_integers:
            return
        advice = "pass allow_integers=True to convert integers"
    elif dtype.hasobject:
        advice = "an object array is a pickle, which can run code, and is never loaded"
    else:
        advice = "convert it before saving"
    raise DataError(f"{path}: values are {dtype}, expected float16, float32 or float64; {advice}")


def _check_finite(path: Path, x: Tensor, array: np.ndarray) -> None:
    count, first = 0, (-1, -1)
    for rows in row_blocks(x):
        bad = ~torch.isfinite(x[rows])
        if bool(bad.any()):
            if not count:
                row, column = bad.nonzero()[0].tolist()
                first = (rows.start + row, column)
            count += int(bad.sum())
    if count:
        raise DataError(
            f"{path}: {count} values are NaN or infinite as float32, the first at row {first[0]}, "
            f"column {first[1]}: {array[first]}; replace them before loading"
        )
