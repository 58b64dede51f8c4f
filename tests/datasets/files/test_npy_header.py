import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdib_graph.datasets.files.npy_header import read_header
from mrdib_graph.errors import DataError


def saved(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("order", ["C", "F"])
def test_reads_what_numpy_writes(order):
    array = np.asarray(np.arange(6.0).reshape(2, 3), order=order)
    file = io.BytesIO(saved(array))
    assert read_header("x", file) == ((2, 3), order == "F", np.dtype(np.float64))
    assert len(file.read()) == 48


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00\xff\xff",
        b"\x93NUMPY\x01\x00\x02\x00{\n",  # an open bracket ends NumPy's own tokenizer
        b"\x93NUMPY\x01\x00\x08\x00  a\n b\nc",  # so does an indentation
        b"\x93NUMPY\x01\x00\x03\x00{}\n",
    ],
)
def test_damage(content):
    with pytest.raises(DataError, match=r"x\.npy: the \.npy header cannot be read"):
        read_header("x.npy", io.BytesIO(content))


def test_another_version():
    content = b"\x93NUMPY\x03\x00" + saved(np.arange(3))[8:]
    with pytest.raises(DataError, match=r"x\.npy: \.npy format version 3\.0, expected 1\.0 or 2"):
        read_header("x.npy", io.BytesIO(content))


@given(st.binary(max_size=100), st.integers(0, 127))
def test_any_header_is_read_or_refused(content, start):
    file = io.BytesIO(saved(np.arange(2))[:start] + content)
    try:
        shape, _, _ = read_header("x", file)
    except DataError as error:
        assert str(error).startswith("x: ")
    else:
        assert isinstance(shape, tuple)


@pytest.mark.parametrize("descr", ["('<f4',)", "()", "[('a', '<f4', 1, 2)]", "-" * 5000 + "1"])
def test_types_that_numpy_stumbles_over(descr):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (1,)}}\n".encode()
    content = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header
    with pytest.raises(DataError, match="a.npy: the .npy header cannot be read"):
        read_header("a.npy", io.BytesIO(content))
