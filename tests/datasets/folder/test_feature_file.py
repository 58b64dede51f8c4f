import pickle
import struct
import warnings

import numpy as np
import pytest
import torch

from mrdib_graph.datasets.folder.feature_file import read_features
from mrdib_graph.errors import DataError
from mrdib_graph.transforms import row_blocks


@pytest.fixture
def save(tmp_path):
    def save(array, **options):
        path = tmp_path / "text_feat.npy"
        np.save(path, array, **options)
        return path

    return save


def random(shape=(7, 3), seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_float32_is_mapped_without_a_warning(save):
    array = random().astype(np.float32)
    path = save(array)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = read_features(path)
    assert np.array_equal(x.numpy(), array)
    with path.open("r+b") as file:  # a change of the file shows: nothing was copied
        file.seek(-4, 2)
        file.write(struct.pack("<f", 42.0))
    assert x[-1, -1] == 42.0


def test_writing_to_mapped_features_leaves_the_file_alone(save):
    path = save(random().astype(np.float32))
    before = path.read_bytes()
    read_features(path)[0, 0] = 5.0
    assert path.read_bytes() == before


@pytest.mark.parametrize("dtype", ["<f2", "<f8", ">f4", ">f8"])
@pytest.mark.parametrize("block", [6, 2**22])
def test_other_floats_are_converted(save, monkeypatch, dtype, block):
    monkeypatch.setattr(row_blocks, "BLOCK_VALUES", block)
    array = random().astype(dtype)
    x = read_features(save(array))
    assert x.dtype == torch.float32
    assert np.array_equal(x.numpy(), array.astype(np.float32))


def test_fortran_order_keeps_rows(save):
    array = np.asfortranarray(random().astype(np.float32))
    x = read_features(save(array))
    assert np.array_equal(x.numpy(), array) and x.is_contiguous()


def test_integers_only_on_request(save):
    path = save(np.arange(6).reshape(2, 3))
    with pytest.raises(DataError, match="allow_integers"):
        read_features(path)
    assert read_features(path, allow_integers=True).tolist() == [[0, 1, 2], [3, 4, 5]]


BAD_ARRAYS = {
    "1-D": (np.zeros(3, np.float32), r"shape \(3,\)"),
    "3-D": (np.zeros((2, 2, 2), np.float32), r"shape \(2, 2, 2\)"),
    "0-D": (np.float32(1.0), r"shape \(\)"),
    "zero columns": (np.zeros((3, 0), np.float32), r"shape \(3, 0\)"),
    "zero rows": (np.zeros((0, 3), np.float32), r"shape \(0, 3\)"),
    "complex": (np.zeros((2, 2), np.complex64), "complex64"),
    "string": (np.array([["a", "b"]]), "<U1"),
    "bool": (np.zeros((2, 2), bool), "bool"),
    "structured": (np.zeros((2, 2), [("a", "f4")]), "'a'"),
    "date": (np.zeros((2, 2), "M8[s]"), "datetime64"),
    "object": (np.array([[None, 1]], object), "object.*pickle.*never loaded"),
}


@pytest.mark.parametrize("array, message", BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_refuses_arrays(save, array, message):
    path = save(array, allow_pickle=True)
    with pytest.raises(DataError, match=message) as info:
        read_features(path)
    assert str(path) in str(info.value)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def npy(shape, body, version=b"\x01\x00", descr="<f4"):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header + body


BAD_BYTES = {
    "empty file": (b"", "empty"),
    "pickle": (pickle.dumps(Bomb()), "a pickle.*never loaded"),
    "zip": (b"PK\x03\x04rest", "zip archive"),
    "gzip": (b"\x1f\x8b\x08rest", "gzip"),
    "web page": (b"<html>moved</html>", "web page"),
    "noise": (b"hello, world", "not a .npy file"),
    "magic only": (b"\x93NUMPY", "header cannot be read"),
    "cut header": (npy("(2, 2)", b"")[:40], "header cannot be read"),
    "code in header": (npy("__import__('os')", b""), "header cannot be read"),
    "version 3": (npy("(2, 2)", bytes(16), version=b"\x03\x00"), "version 3.0"),
    "version 9": (
        npy("(2, 2)", bytes(16), version=b"\x09\x00"),
        "version 9.0|header cannot be read",
    ),
    "promises too much": (npy("(1000000000000, 4096)", bytes(64)), r"promises .* and the file has"),
    "one byte short": (npy("(2, 2)", bytes(15)), "promises .*144 bytes.*has 143"),
    "trailing bytes": (npy("(2, 2)", bytes(17)), "promises .*144 bytes.*has 145"),
    "negative shape": (npy("(-2, -2)", bytes(16)), r"shape \(-2, -2\)"),
    "object header": (npy("(2, 2)", bytes(16), descr="|O"), "never loaded"),
}


@pytest.mark.parametrize("content, message", BAD_BYTES.values(), ids=BAD_BYTES)
def test_refuses_bytes(tmp_path, content, message):
    path = tmp_path / "text_feat.npy"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as info:
        read_features(path)
    assert str(path) in str(info.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_counts_values_that_are_not_finite(save, monkeypatch, value, dtype):
    monkeypatch.setattr(row_blocks, "BLOCK_VALUES", 6)
    array = random().astype(dtype)
    array[5, 1] = array[6, 0] = value
    with pytest.raises(DataError, match="2 values .*row 5, column 1"):
        read_features(save(array))


def test_overflow_to_float32_is_found(save):
    array = random()
    array[3, 2] = 1e300
    with pytest.raises(DataError, match=r"1 values .*row 3, column 2: 1e\+300"):
        read_features(save(array))


def test_absent_file(tmp_path):
    with pytest.raises(DataError, match="no such feature file"):
        read_features(tmp_path / "text_feat.npy")
