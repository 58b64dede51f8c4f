import sys

import numpy as np
import pytest

from mrdib_graph.datasets.conversion.image_records import (
    KEY_BYTES,
    RECORD,
    WIDTH,
    copy_image_features,
)
from mrdib_graph.datasets.files.raw_files import DamagedFileError
from mrdib_graph.datasets.folder.feature_file import read_features
from mrdib_graph.errors import DataError

ITEMS = {f"B{i:09d}": i for i in range(5)}

MODULE = sys.modules[copy_image_features.__module__]


def write(path, numbers, seed=0):
    """Records of items by number; returns the rows in the order of the file."""
    x = np.random.default_rng(seed).random((len(numbers), WIDTH), dtype=np.float32)
    keys = [f"B{n:09d}".encode() for n in numbers]
    path.write_bytes(b"".join(k + row.tobytes() for k, row in zip(keys, x, strict=True)))
    return x


def test_a_record_has_16394_bytes():
    assert RECORD.itemsize == KEY_BYTES + 4 * WIDTH == 16_394


@pytest.mark.parametrize("block", [1, 2, 256])
def test_rows_follow_the_items(tmp_path, monkeypatch, block):
    monkeypatch.setattr(MODULE, "_BLOCK", block)
    x = write(tmp_path / "a.b", [3, 900, 0, 4, 3])
    found = copy_image_features(tmp_path / "a.b", tmp_path / "x.npy", ITEMS)
    made = read_features(tmp_path / "x.npy").numpy()
    kept = np.stack([x[2], x[4], x[3]])  # items 0, 3, 4; the last record of item 3 wins
    assert made.shape == (5, WIDTH) and np.array_equal(made[[0, 3, 4]], kept)
    mean = kept.astype(np.float64).mean(0).astype(np.float32)
    assert np.array_equal(made[1], made[2]) and np.allclose(made[1], mean, atol=1e-7)
    assert found.missing == [1, 2]
    assert found.counts == {
        "records read": 5,
        "repeated records": 1,
        "items without a record": 2,
    }


@pytest.mark.parametrize("size", [0, 16_393, 16_395, 10])
def test_a_size_that_is_no_multiple(tmp_path, size):
    write(tmp_path / "a.b", [0, 1])
    with (tmp_path / "a.b").open("r+b") as file:
        file.truncate(size)
    with pytest.raises(DamagedFileError, match=f"a.b: {size} bytes are no multiple of 16394"):
        copy_image_features(tmp_path / "a.b", tmp_path / "x.npy", ITEMS)


def test_a_key_that_is_not_ascii_is_named_by_its_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(MODULE, "_BLOCK", 2)
    write(tmp_path / "a.b", [0, 1, 2, 3])
    with (tmp_path / "a.b").open("r+b") as file:
        file.seek(3 * 16_394 + 4)
        file.write(b"\xff")
    with pytest.raises(DamagedFileError, match=f"the key at byte {3 * 16_394} is"):
        copy_image_features(tmp_path / "a.b", tmp_path / "x.npy", ITEMS)


def test_a_value_that_is_not_finite(tmp_path):
    write(tmp_path / "a.b", [0, 1])
    with (tmp_path / "a.b").open("r+b") as file:
        file.seek(16_394 + 10)
        file.write(np.float32("nan").tobytes())
    with pytest.raises(DataError, match="record of B000000001 at byte 16394 holds NaN"):
        copy_image_features(tmp_path / "a.b", tmp_path / "x.npy", ITEMS)


def test_a_file_of_other_items(tmp_path):
    write(tmp_path / "a.b", [700, 800])
    with pytest.raises(DataError, match="none of its 2 records is of one of the 5 items"):
        copy_image_features(tmp_path / "a.b", tmp_path / "x.npy", ITEMS)
