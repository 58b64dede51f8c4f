import json
from pathlib import Path

import pytest

from mrdib_graph.atomic_file import (
    new_file,
    new_folder,
    only_one,
    sync_file,
    write_json,
    write_text,
)
from mrdib_graph.errors import CheckpointError, DataError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_whole_or_absent(tmp_path, monkeypatch):
    path = tmp_path / "new/report.md"
    write_text(path, "first ±\n")
    assert path.read_text(encoding="utf-8") == "first ±\n"

    def fail(self, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        with pytest.raises(DataError, match="report.md: cannot be written: .*No space left"):
            write_text(path, "second\n")
        with pytest.raises(OSError, match="No space left"):
            write_text(path, "second\n", error=None)
    assert path.read_text(encoding="utf-8") == "first ±\n" and names(path.parent) == ["report.md"]
    with pytest.raises(DataError, match="cannot be written"):
        write_text(path / "below.md", "text")
    with pytest.raises(KeyError), new_file(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert path.read_text(encoding="utf-8") == "first ±\n" and names(path.parent) == ["report.md"]


def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new/result.json"
    write_json(path, {"a": [1, 2.5]})
    with pytest.raises(TypeError):
        write_json(path, {"a": [1], "b": object()})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": [1, 2.5]}


def test_a_file_that_is_synced_says_what_it_is(tmp_path, monkeypatch):
    with new_file(tmp_path / "a", sync=True) as temporary:
        temporary.write_text("a")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("no disk")))
    with pytest.raises(OSError, match="no disk"):
        sync_file(tmp_path / "a")
    with pytest.raises(CheckpointError, match="a: the checkpoint cannot be written: no disk"):
        with new_file(tmp_path / "a", True, "the checkpoint", CheckpointError) as temporary:
            temporary.write_text("b")
    assert names(tmp_path) == ["a"] and (tmp_path / "a").read_text() == "a"


def test_it_appears_when_complete(tmp_path):
    with new_folder(tmp_path / "set") as made:
        (made / "a").write_text("new")
        assert not (tmp_path / "set").exists()
    assert names(tmp_path) == ["set"] and (tmp_path / "set/a").read_text() == "new"


def test_it_replaces_and_an_error_changes_nothing(tmp_path):
    with new_folder(tmp_path / "set") as made:
        (made / "a").write_text("old")
    with pytest.raises(KeyError), new_folder(tmp_path / "set") as made:
        (made / "a").write_text("half")
        raise KeyError
    assert names(tmp_path) == ["set"] and (tmp_path / "set/a").read_text() == "old"
    with new_folder(tmp_path / "set") as made:
        (made / "b").write_text("new")
    assert names(tmp_path) == ["set"] and names(tmp_path / "set") == ["b"]


def test_what_a_killed_process_left_is_removed(tmp_path):
    for left in (".set.0a.building", ".set.0b.replaced"):
        (tmp_path / left).mkdir()
        (tmp_path / left / "half").write_text("half")
    with only_one(tmp_path / "set"), new_folder(tmp_path / "set") as made:
        assert names(made) == []
    assert set(names(tmp_path)) <= {"set", ".set.lock"}


def test_the_old_folder_returns_if_the_last_rename_fails(tmp_path, monkeypatch):
    with new_folder(tmp_path / "set") as made:
        (made / "a").write_text("old")
    rename = Path.rename

    def full(self, target):
        if self.suffix == ".building":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(DataError, match="No space left"), new_folder(tmp_path / "set") as made:
        (made / "a").write_text("new")
    assert names(tmp_path) == ["set"] and (tmp_path / "set/a").read_text() == "old"


def test_a_full_disk_is_one_error(tmp_path):
    with pytest.raises(DataError, match="cannot be written .No space left.* after 3 bytes"):
        with new_folder(tmp_path / "set") as made:
            (made / "a").write_text("abc")
            raise OSError(28, "No space left on device")
    assert names(tmp_path) == []


def test_only_one_process_builds(tmp_path):
    with only_one(tmp_path / "new/set"), pytest.raises(DataError, match="another process is"):
        with only_one(tmp_path / "new/set"):
            raise AssertionError
    with only_one(tmp_path / "new/set"):
        assert (tmp_path / "new").is_dir()


def test_a_root_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"), only_one(tmp_path / "file/set"):
        raise AssertionError
