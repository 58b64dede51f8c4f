import json

import pytest

from mrdib_graph.datasets.provenance import (
    PROVENANCE,
    build_key,
    foreign_files,
    read_provenance,
    verify_folder,
    write_provenance,
)
from mrdib_graph.errors import DataError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.inter").write_text("rows")
    write_provenance(tmp_path, {"key": build_key({"x": 1})})
    return tmp_path


def test_a_whole_folder_is_accepted(folder):
    record = read_provenance(folder)
    verify_folder(folder, record)
    assert record["files"]["a.inter"]["size"] == 4 and foreign_files(folder, record) == []


def test_no_record_and_foreign_files(folder):
    (folder / "text_feat.npy").write_text("mine")
    assert foreign_files(folder, read_provenance(folder)) == ["text_feat.npy"]
    (folder / PROVENANCE).unlink()
    assert read_provenance(folder) is None
    assert foreign_files(folder, None) == ["a.inter", "text_feat.npy"]


def test_any_change_is_found(folder):
    record = read_provenance(folder)
    (folder / "a.inter").write_text("rowz")
    with pytest.raises(DataError, match="a.inter: the file is not the one that was built"):
        verify_folder(folder, record)
    (folder / "a.inter").unlink()
    with pytest.raises(DataError, match="a.inter: the file is gone; remove the folder"):
        verify_folder(folder, record)
    with pytest.raises(DataError, match="made by data version 0, this is 1"):
        verify_folder(folder, record | {"data_version": 0})


@pytest.mark.parametrize("text", ["{", "[]", "{}", json.dumps({"files": {}, "key": 3})])
def test_a_damaged_record(folder, text):
    (folder / PROVENANCE).write_text(text)
    with pytest.raises(DataError, match="cannot be read as a record of this library"):
        read_provenance(folder)


def test_keys_differ_with_what_they_are_of():
    assert build_key({"a": 1, "b": [2]}) == build_key({"b": [2], "a": 1})
    assert len({build_key({"a": 1}), build_key({"a": 2}), build_key({"b": 1})}) == 3
