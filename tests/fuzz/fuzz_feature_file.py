"""Feature rows in ``.npy`` files."""

from pathlib import Path

import numpy as np
import torch
from harness import Target, npy

from mrdib_graph.datasets.folder.feature_file import read_features


def read(folder: Path, data: bytes) -> None:
    path = folder / "text_feat.npy"
    path.write_bytes(data)
    x = read_features(path, allow_integers=True)
    assert x.dtype == torch.float32 and x.dim() == 2 and 0 not in x.shape
    assert bool(torch.isfinite(x).all())


def seeds() -> list[bytes]:
    x = np.arange(6.0).reshape(2, 3)
    types = ("<f4", "<f8", "<f2", ">f4", "<i4", "|u1")
    made = [npy((2, 3), x.astype(descr).tobytes(), descr) for descr in types]
    made += [npy((2, 3), x.tobytes(), "<f8", True), npy((10**12, 4), bytes(8))]
    made += [
        npy((2, 3), bytes(24), ("<f4",)),
        npy((2,), bytes(24), [("a", "<f4"), ("b", "<f8", (1,))]),
        npy((1, 2), bytes(8), "|O"),
    ]
    return made


TARGET = Target(
    "feature_file",
    read,
    seeds,
    (b"'descr': ", b"'<f4'", b"'|O'", b"(2, 3)", b"(", b",)", b"('<f4',)", b"[('a', '<f4')]"),
)
