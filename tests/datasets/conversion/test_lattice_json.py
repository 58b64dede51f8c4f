import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mrdib_graph.datasets.conversion.lattice_json import FILES, read_lattice
from mrdib_graph.errors import DataError

SPLITS = (
    {"0": [0, 2], "1": [1]},
    {"0": [1], "1": []},
    {"1": [2]},
)


def write(folder, *texts):
    defaults = [json.dumps(split, indent=0) for split in SPLITS]
    for name, text in zip(FILES, [*texts, *defaults[len(texts) :]], strict=True):
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_reads_splits_and_features(tmp_path):
    np.save(tmp_path / "image_feat.npy", np.arange(6.0).reshape(3, 2))
    found = read_lattice(write(tmp_path))
    assert found.label is not None
    rows = torch.stack([found.user, found.item, found.label], 1).tolist()
    assert rows == [[0, 0, 0], [0, 2, 0], [1, 1, 0], [0, 1, 1], [1, 2, 2]]
    assert found.features["image"].x.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert [path.name for path in found.files] == [*FILES, "image_feat.npy"]


def test_named_features(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((3, 1)))
    found = read_lattice(write(tmp_path), features={"text": tmp_path / "x.npy"})
    assert list(found.features) == ["text"]


TRAIN = {
    "not JSON": ('{"0": [0, 2],\n"1": [1', r"line 2: this is not JSON"),
    "a list": ("[[0, 2], [1]]", "line 1: got list, expected an object"),
    "Python literal": ("{'0': [0]}", "line 1: this is not JSON"),
    "NaN": ('{"0": [NaN]}', "line 1: holds NaN"),
    "key twice": ('{"0": [0],\n"1": [1],\n"0": [2]}', "line 3: the key '0' occurs twice"),
    "key is text": ('{"0": [0],\n"ann": [1]}', "line 2: user 'ann': expected a whole number"),
    "key with a zero": ('{"0": [0],\n"01": [1]}', "line 2: user '01'"),
    "negative key": ('{"-1": [1]}', "line 1: user '-1'"),
    "items are a number": ('{"0": [0],\n"1": 1}', "line 2: user 1 has int, expected a list"),
    "item is text": ('{"0": [0],\n"1": ["2"]}', "line 2: user 1 has the item '2'"),
    "item is a fraction": ('{"0": [0],\n"1": [1.0]}', "line 2: user 1 has the item '1.0'"),
    "item is a truth value": ('{"0": [true]}', "line 1: user 0 has the item 'True'"),
    "item is negative": ('{"0": [-2]}', "line 1: user 0 has the item '-2'"),
    "item is huge": ('{"0": [' + "9" * 30 + "]}", "line 1: user 0 has the item '999"),
    "number of 5000 digits": ('{"0": [' + "9" * 5000 + "]}", "line 1: this is not JSON of this"),
    "deep": ("[" * 100_000, "line 1: this is not JSON"),
    "empty file": ("", "line 1: this is not JSON"),
    "no user": ("{}", "line 1: the training split is empty"),
    "repeated item": ('{"0": [0, 2],\n"1": [1, 1]}', "line 2 repeats the pair of line 2"),
}


@pytest.mark.parametrize("case", TRAIN)
def test_malformed_files_are_refused_by_file_and_line(tmp_path, case):
    text, message = TRAIN[case]
    with pytest.raises(DataError, match=rf"train\.json: {message}"):
        read_lattice(write(tmp_path, text))


def test_a_pair_in_two_files_is_named_in_both(tmp_path):
    write(tmp_path, json.dumps(SPLITS[0]), '{\n"0": [2]}')
    with pytest.raises(
        DataError, match=r"val\.json: line 2 has the pair .*train\.json: line 1 has"
    ):
        read_lattice(tmp_path, deduplicate=True)


def test_absent_and_undecodable_files(tmp_path):
    write(tmp_path)
    (tmp_path / "val.json").write_bytes(b'{"0":\n[\xff]}')
    with pytest.raises(DataError, match=r"val\.json: line 2 is not UTF-8"):
        read_lattice(tmp_path)
    (tmp_path / "test.json").unlink()
    with pytest.raises(DataError, match=r"test\.json: there is no such file.*holds train\.json"):
        read_lattice(tmp_path)


@given(content=st.binary(max_size=120), name=st.sampled_from(FILES))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, name):
    folder = write(tmp_path_factory.mktemp("set"))
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=r"(train|val|test)\.json: line"):
        read_lattice(folder)  # random bytes are never an object of lists


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=8,
)
KEYS = st.integers(0, 4).map(str) | st.text(max_size=2)


@given(st.dictionaries(KEYS, st.lists(st.integers(-1, 9)) | VALUES, max_size=4))
def test_any_json_is_read_or_refused(tmp_path_factory, users):
    folder = write(tmp_path_factory.mktemp("set"), json.dumps(users))
    try:
        found = read_lattice(folder, deduplicate=True)
    except DataError as error:
        assert ".json: line" in str(error)
    else:
        assert int((found.label == 0).sum())
