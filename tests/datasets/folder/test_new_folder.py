import pytest

from mrdib_graph.datasets.folder.new_folder import new_folder, only_one
from mrdib_graph.errors import DataError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


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
    (tmp_path / ".set.building").mkdir()
    (tmp_path / ".set.building/half").write_text("half")
    with new_folder(tmp_path / "set") as made:
        assert names(made) == []
    assert names(tmp_path) == ["set"]


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
