import json

import pytest

from mrdib_graph.datasets.folder.folder_record import (
    RECORD,
    build_key,
    foreign_files,
    identities,
    read_record,
    verify_folder,
    write_record,
)
from mrdib_graph.errors import DataError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.inter").write_text("rows")
    write_record(tmp_path, {"key": build_key({"x": 1})})
    return tmp_path


def test_a_whole_folder_is_accepted(folder):
    record = read_record(folder)
    verify_folder(folder, record)
    assert record["files"]["a.inter"]["size"] == 4 and foreign_files(folder, record) == []


def test_no_record_and_foreign_files(folder):
    (folder / "text_feat.npy").write_text("mine")
    assert foreign_files(folder, read_record(folder)) == ["text_feat.npy"]
    (folder / RECORD).unlink()
    assert read_record(folder) is None
    assert foreign_files(folder, None) == ["a.inter", "text_feat.npy"]


def test_any_change_is_found(folder):
    record = read_record(folder)
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
    (folder / RECORD).write_text(text)
    with pytest.raises(DataError, match="cannot be read as a record of this library"):
        read_record(folder)


def test_keys_differ_with_what_they_are_of():
    assert build_key({"a": 1, "b": [2]}) == build_key({"b": [2], "a": 1})
    assert len({build_key({"a": 1}), build_key({"a": 2}), build_key({"b": 1})}) == 3


def test_identities(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert identities([tmp_path / "x"]) == [{"file": "x", "size": 3, "sha256": digest}]
    assert json.dumps(identities([tmp_path / "x"]))


@pytest.mark.parametrize(
    "files",
    [
        None,
        [],
        {"a.inter": 3},
        {"a.inter": {"size": 4}},
        {"a.inter": {"size": "4", "sha256": "0"}},
        {"a.inter": {"size": 4, "sha256": None}},
        {"../a.inter": {"size": 4, "sha256": "0"}},
    ],
)
def test_a_record_of_something_else(folder, files):
    (folder / RECORD).write_text(json.dumps({"key": "k", "files": files}))
    with pytest.raises(DataError, match="cannot be read as a record of this library"):
        read_record(folder)


def test_a_record_that_is_nested_too_deep(folder):
    (folder / RECORD).write_text("[" * 100_000)
    with pytest.raises(DataError, match="cannot be read as a record of this library"):
        read_record(folder)


@pytest.mark.parametrize("name", ["b" * 300, "a\0b"])
def test_a_name_that_no_file_can_have(folder, name):
    record = {"data_version": 1, "files": {name: {"size": 4, "sha256": "0"}}}
    with pytest.raises(DataError, match="the file is gone"):
        verify_folder(folder, record)
