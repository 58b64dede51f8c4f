"""Matrices in ``.npz`` archives; the input is the training matrix."""

import io
from pathlib import Path

import numpy as np
import scipy.sparse
from harness import Target

from mrdib_graph.datasets.conversion.sparse_splits import read_diffmm


def _packed(matrix: scipy.sparse.sparray, compressed: bool = False) -> bytes:
    file = io.BytesIO()
    scipy.sparse.save_npz(file, matrix, compressed)
    return file.getvalue()


def _matrix(row: list[int], col: list[int]) -> scipy.sparse.coo_array:
    return scipy.sparse.coo_array((np.ones(len(row), np.float32), (row, col)), shape=(3, 4))


REST = {"valMat.npz": _packed(_matrix([0], [2])), "tstMat.npz": _packed(_matrix([1], [2]))}


def read(folder: Path, data: bytes) -> None:
    (folder / "trnMat.npz").write_bytes(data)
    for name, content in REST.items():
        (folder / name).write_bytes(content)
    found = read_diffmm(folder, renumber=True)
    assert found.user.numel() == found.item.numel()


def seeds() -> list[bytes]:
    matrix = _matrix([0, 0, 1, 2], [0, 1, 1, 3])
    forms = (matrix, matrix.tocsr(), matrix.tocsc())
    return [_packed(form, packed) for form in forms for packed in (False, True)]


TARGET = Target(
    "sparse_splits",
    read,
    seeds,
    (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"row.npy", b"indptr.npy", b"'|O'", b"(4,)"),
)
