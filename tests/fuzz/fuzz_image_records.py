"""Image features of Amazon Reviews 2014: records of 16,394 bytes."""

from pathlib import Path

import numpy as np
from harness import Target

from mrdib_graph.datasets.conversion.image_records import RECORD, copy_image_features
from mrdib_graph.datasets.folder.feature_file import read_features

ITEMS = {"B000000001": 0, "B000000002": 1}


def read(folder: Path, data: bytes) -> None:
    path, made = folder / "a.b", folder / "image_feat.npy"
    path.write_bytes(data)
    copy_image_features(path, made, ITEMS)
    assert read_features(made).shape == (2, 4096)


def seeds() -> list[bytes]:
    def record(key: str, value: float) -> bytes:
        return key.encode() + np.full(4096, value, "<f4").tobytes()

    one, two = record("B000000001", 0.5), record("B000000009", 2.0)
    return [one, two + one, one + two[: RECORD.itemsize - 7]]


TARGET = Target(
    "image_records",
    read,
    seeds,
    (b"B000000001", b"\x00\x00\xc0\x7f", b"\x00" * 16394),
)
