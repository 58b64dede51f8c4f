import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdib_graph.datasets.files import npz_file
from mrdib_graph.datasets.files.npz_file import read_npz
from mrdib_graph.errors import DataError


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_reads_what_numpy_writes(tmp_path, save):
    arrays = {
        "a": np.arange(6).reshape(2, 3),
        "b": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "c": np.array(b"coo"),
        "d": np.empty(0, np.int32),
    }
    save(tmp_path / "x.npz", **arrays)
    found = read_npz(tmp_path / "x.npz", ["a", "b", "c", "d", "absent"])
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert np.array_equal(found[name], array) and found[name].dtype == array.dtype


CASES = {
    "objects": (npy(np.array([{}], object)), r"x\.npz: entry a\.npy holds objects: a pickle"),
    "cut short": (npy(np.arange(100))[:-8], r"entry a\.npy: its header promises .100,.*800 bytes"),
    "bytes after the end": (npy(np.arange(3)) + b"1", r"entry a\.npy: its header promises .3,"),
    "promises more": (
        npy(np.arange(3)).replace(b"(3,), }", b"(2**9,)"),
        r"entry a\.npy: the \.npy header cannot be read",
    ),
    "promises a lot": (
        npy(np.arange(3)).replace(b"(3,), }            ", b"(300000000000,), } "),
        r"entry a\.npy: its header promises .300000000000,. .* and it has fewer",
    ),
    "not npy": (b"1 2 3", r"entry a\.npy: the \.npy header cannot be read"),
    "version 3": (b"\x93NUMPY\x03\x00" + npy(np.arange(3))[8:], r"entry a\.npy: .*version 3\.0"),
    "no width": (
        npy(np.array([b"a"])).replace(b"'|S1'", b"'|S0'"),
        r"entry a\.npy: the header has the shape .1,. of .S0",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_malformed_arrays_are_refused_by_file_and_entry(tmp_path, case):
    content, message = CASES[case]
    with pytest.raises(DataError, match=message):
        read_npz(archive(tmp_path / "x.npz", a=content), ["a"])


def test_a_large_array_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(npz_file, "LARGEST", 1000)
    with pytest.raises(DataError, match=r"entry a\.npy has 10128 bytes, expected at most 1000"):
        read_npz(archive(tmp_path / "x.npz", a=npy(np.zeros(10_000, np.int8))), ["a"])


def test_another_packing_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_LZMA) as file:
        file.writestr("a.npy", npy(np.arange(3)))
    with pytest.raises(DataError, match=r"entry a\.npy is packed as no NumPy archive is"):
        read_npz(tmp_path / "x.npz", ["a"])


def test_a_damaged_archive(tmp_path):
    path = archive(tmp_path / "x.npz", a=npy(np.arange(1000)))
    raw = bytearray(path.read_bytes())
    raw[200] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"x\.npz: entry .*"):
        read_npz(path, ["a"])
    path.write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"x\.npz: entry 0: this is not an \.npz archive"):
        read_npz(path, ["a"])
    with pytest.raises(DataError, match="cannot be read"):
        read_npz(tmp_path, ["a"])


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("npz") / "x.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.npz: entry"):
        read_npz(path, ["a"])


@given(st.binary(max_size=200), st.integers(0, 127))
def test_any_member_is_read_or_refused(tmp_path_factory, content, start):
    """Random bytes after a part of a good header."""
    path = tmp_path_factory.mktemp("npz") / "x.npz"
    archive(path, a=npy(np.arange(2))[:start] + content)
    try:
        found = read_npz(path, ["a"])
    except DataError as error:
        assert "x.npz: entry a.npy" in str(error)
    else:
        assert list(found) == ["a"]


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4))
def test_any_damage_is_read_or_refused(tmp_path_factory, damage):
    path = archive(tmp_path_factory.mktemp("npz") / "x.npz", a=npy(np.arange(9)))
    raw = bytearray(path.read_bytes())
    for position, value in damage:
        raw[position % len(raw)] = value
    path.write_bytes(raw)
    try:
        read_npz(path, ["a"])
    except DataError as error:
        assert "x.npz: " in str(error)
