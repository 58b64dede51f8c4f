import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from mrdib_graph.datasets.conversion.sparse_splits import NAMES, read_diffmm
from mrdib_graph.errors import DataError

DENSE = (
    [[1, 0, 1], [0, 1, 0]],
    [[0, 1, 0], [0, 0, 0]],
    [[0, 0, 0], [0, 0, 1]],
)


def write(folder, form="coo", compressed=True):
    for name, dense in zip(NAMES, DENSE, strict=True):
        matrix = sparse.coo_matrix(np.array(dense, np.float32)).asformat(form)
        sparse.save_npz(folder / f"{name}.npz", matrix, compressed)
    return folder


def parts(folder, name="trnMat"):
    with np.load(folder / f"{name}.npz") as file:
        return dict(file)


@pytest.mark.parametrize("form", ["coo", "csr", "csc"])
@pytest.mark.parametrize("compressed", [True, False])
def test_reads_what_scipy_writes(tmp_path, form, compressed):
    np.save(tmp_path / "audio_feat.npy", np.ones((3, 2), np.float16))
    found = read_diffmm(write(tmp_path, form, compressed))
    assert found.label is not None
    rows = torch.stack([found.user, found.item, found.label], 1).tolist()
    assert sorted(rows) == [[0, 0, 0], [0, 1, 1], [0, 2, 0], [1, 1, 0], [1, 2, 2]]
    assert list(found.features) == ["audio"]


def test_stored_zeros_are_no_interactions(tmp_path):
    matrix = sparse.coo_matrix(([1, 0, 1, 1], ([0, 0, 0, 1], [0, 1, 2, 1])), (2, 3))
    sparse.save_npz(write(tmp_path) / "trnMat.npz", matrix)
    assert read_diffmm(tmp_path).user.numel() == 5


class Bomb:
    def __reduce__(self):
        return (open, ("opened", "w"))


@pytest.mark.parametrize("name", ["trnMat.pkl", "trnMat.pickle", "trnMat"])
def test_a_pickle_is_never_opened_and_the_way_out_is_named(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataError, match="this is a pickle.*never opened.*sandbox.*save_npz"):
        read_diffmm(tmp_path)
    assert not (tmp_path / "opened").exists()


def test_the_named_way_out_works(tmp_path, monkeypatch, capsys):
    """The command in the message, run here on pickles that the test made itself."""
    monkeypatch.chdir(tmp_path)
    for name, dense in zip(NAMES, DENSE, strict=True):
        content = pickle.dumps(sparse.coo_matrix(np.array(dense)))
        (tmp_path / f"{name}.pkl").write_bytes(content)
    for _ in NAMES:
        with pytest.raises(DataError) as refused:
            read_diffmm(tmp_path)
        exec(str(refused.value).split('python -c "')[1].split('"  and put')[0])
    assert read_diffmm(tmp_path).user.numel() == 5


def change(**arrays):
    def damage(folder):
        np.savez(folder / "trnMat.npz", **{**parts(folder), **arrays})

    return damage


def drop(name):
    def damage(folder):
        arrays = parts(folder)
        del arrays[name]
        np.savez(folder / "trnMat.npz", **arrays)

    return damage


def other_shape(folder):
    sparse.save_npz(folder / "valMat.npz", sparse.coo_matrix(np.ones((2, 4))))


def leak(folder):
    sparse.save_npz(folder / "valMat.npz", sparse.coo_matrix(np.array([[1, 0, 0], [0, 0, 0]])))


COO = {
    "row too large": (
        change(row=np.array([0, 0, 2])),
        r"trnMat\.npz: entry rows: .*expected 0 to 1",
    ),
    "row negative": (change(row=np.array([0, -1, 1])), r"trnMat\.npz: entry rows: they go from -1"),
    "column too large": (change(col=np.array([0, 3, 1])), r"trnMat\.npz: entry columns: .* 0 to 2"),
    "row is a fraction": (change(row=np.zeros(3)), r"trnMat\.npz: entry row\.npy: got float64"),
    "row of two dimensions": (change(row=np.zeros((3, 1), int)), r"trnMat\.npz: entry row\.npy"),
    "row too short": (
        change(row=np.array([0, 0])),
        r"trnMat\.npz: entry data\.npy: 3 values, and 2",
    ),
    "value is NaN": (change(data=np.array([1, np.nan, 1])), r"trnMat\.npz: entry data\.npy"),
    "value is text": (change(data=np.array(["1"] * 3)), r"trnMat\.npz: entry data\.npy: got <U1"),
    "shape of one": (change(shape=np.array([3])), r"trnMat\.npz: entry shape\.npy: got \[3\]"),
    "shape of zero": (change(shape=np.array([0, 3])), r"trnMat\.npz: entry shape\.npy"),
    "shape is huge": (change(shape=np.array([2, 2**40])), r"trnMat\.npz: entry shape\.npy"),
    "no shape": (drop("shape"), r"trnMat\.npz: entry shape\.npy: got nothing"),
    "no row": (drop("row"), r"trnMat\.npz: entry row\.npy: got nothing"),
    "no format": (drop("format"), r"trnMat\.npz: entry format\.npy: got 'None'"),
    "dia": (change(format=np.array(b"dia")), r"trnMat\.npz: entry format\.npy: got 'dia'"),
    "no values": (change(data=np.zeros(3)), r"trnMat\.npz: line 1: the training split is empty"),
    "repeated": (
        change(row=np.array([0, 0, 0]), col=np.array([0, 2, 0])),
        r"trnMat\.npz: entry 2 repeats the pair of entry 0",
    ),
    "shapes differ": (other_shape, r"valMat\.npz: entry shape: the matrix is \(2, 4\)"),
    "leak": (leak, r"valMat\.npz: entry 0 has the pair .*trnMat\.npz: entry 0 has, too"),
}


@pytest.mark.parametrize("case", COO)
def test_malformed_matrices_are_refused_by_file_and_entry(tmp_path, case):
    damage, message = COO[case]
    damage(write(tmp_path))
    with pytest.raises(DataError, match=message):
        read_diffmm(tmp_path)


@pytest.mark.parametrize("indptr", [[0, 2], [0, 3, 2], [1, 2, 3], [0, 2, 4], [0, -1, 3], []])
def test_malformed_index_pointers(tmp_path, indptr):
    change(indptr=np.array(indptr, int))(write(tmp_path, "csr"))
    with pytest.raises(DataError, match=r"trnMat\.npz: entry indptr\.npy"):
        read_diffmm(tmp_path)


def test_a_missing_file(tmp_path):
    (write(tmp_path) / "valMat.npz").unlink()
    with pytest.raises(DataError, match=r"valMat\.npz: there is no such file, expected a matrix"):
        read_diffmm(tmp_path)


@given(content=st.binary(max_size=200), name=st.sampled_from(NAMES))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, name):
    folder = write(tmp_path_factory.mktemp("set"))
    (folder / f"{name}.npz").write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}\.npz: entry"):
        read_diffmm(folder)


INTEGERS = st.lists(st.integers(-1, 3), max_size=5)


@given(st.sampled_from(["coo", "csr", "csc"]), INTEGERS, INTEGERS, INTEGERS)
def test_any_arrays_are_read_or_refused(tmp_path_factory, form, first, second, data):
    folder = write(tmp_path_factory.mktemp("set"))
    names = ("row", "col") if form == "coo" else ("indices", "indptr")
    arrays = {names[0]: np.array(first, int), names[1]: np.array(second, int)}
    arrays |= {"format": np.array(form.encode()), "shape": np.array([2, 3])}
    file = io.BytesIO()
    np.savez(file, data=np.array(data, float), **arrays)
    assert zipfile.is_zipfile(file)
    (folder / "trnMat.npz").write_bytes(file.getvalue())
    try:
        found = read_diffmm(folder, deduplicate=True)
    except DataError as error:
        assert "Mat.npz: " in str(error)
    else:
        assert int((found.label == 0).sum())
