"""Plain arrays of an ``.npz`` archive, checked against their headers before they are read."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np

from mrdib_graph.datasets.files.npy_header import read_header
from mrdib_graph.errors import DataError

LARGEST = 2**31
"""Bytes of one array above which it is refused; 2^31 hold 268 million interactions."""

# What zipfile lets through for archives that are damaged, encrypted or packed in another way.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, struct.error)


def read_npz(path: Path, names: Collection[str]) -> dict[str, np.ndarray]:
    """Those of the named arrays that the archive has.

    Nothing is unpickled.

    Args:
        path: The file.
        names: Names without ``.npy``.

    Raises:
        DataError: It is no archive of plain arrays, an array is larger than :data:`LARGEST`, or
            its size is not the one that its header announces.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            found = [name for name in names if f"{name}.npy" in members]
            return {name: _array(path, archive, members[f"{name}.npy"]) for name in found}
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    except _DAMAGE as error:
        raise DataError(
            f"{path}: entry 0: this is not an .npz archive that can be read ({error}); make it "
            "with scipy.sparse.save_npz"
        ) from error


def _array(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    where = f"{path}: entry {member.filename}"
    if member.file_size > LARGEST:
        raise DataError(f"{where} has {member.file_size} bytes, expected at most {LARGEST}")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{where} is packed as no NumPy archive is; make it with numpy.savez")
    with archive.open(member) as file:
        shape, fortran, dtype = read_header(where, file)
        if dtype.hasobject:
            raise DataError(f"{where} holds objects: a pickle, which can run code, is never loaded")
        if dtype.itemsize == 0 or min(shape, default=0) < 0:
            raise DataError(f"{where}: the header has the shape {shape} of {dtype}")
        promised = math.prod(shape) * dtype.itemsize
        content = file.read(promised + 1) if promised <= member.file_size else b""
        if len(content) != promised:
            raise DataError(
                f"{where}: its header promises {shape} of {dtype}, {promised} bytes, and it has "
                f"{len(content) if content else 'fewer'}; the archive is damaged: make it again"
            )
    array = np.frombuffer(content, dtype) if content else np.empty(0, dtype)
    return array.reshape(shape, order="F" if fortran else "C")
