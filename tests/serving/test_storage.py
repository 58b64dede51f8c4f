import builtins
import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.serving import Bundle, BundleInfo, storage

FILES = ["tables.safetensors", "history.safetensors", "user_ids.json", "item_ids.json",
         "item_names.json", "bundle.json"]  # fmt: skip


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_bundle_is_plain_files_that_all_may_read(folder: Path) -> None:
    assert sorted(content(folder)) == sorted(FILES)
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1
    header = json.loads((folder / "bundle.json").read_text())
    assert header["schema_version"] == 1
    assert header["counts"] == {"users": 12, "items": 17, "interactions": 70, "width": 3}
    assert header["info"]["backbone"] == "lattice"
    assert header["info"]["metrics"] == {"recall@20": 0.25}
    assert set(header["files"]) == set(FILES) - {"bundle.json"}


def no_space(*_args, **_kwargs):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("step", ["save_file", "sync_file", "_digest"])
def test_a_failed_save_leaves_nothing(bundle, tmp_path, monkeypatch, step: str) -> None:
    monkeypatch.setattr(storage, step, no_space)
    with pytest.raises(DataError, match=r"bundle: cannot be written .No space left"):
        bundle.save(tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("step", ["save_file", "sync_file", "_digest"])
def test_a_failed_save_keeps_the_old_bundle(
    folder: Path, make_bundle, monkeypatch, step: str
) -> None:
    before = content(folder)
    monkeypatch.setattr(storage, step, no_space)
    with pytest.raises(DataError):
        make_bundle(seed=1).save(folder, overwrite=True)
    assert content(folder) == before
    assert list(folder.parent.iterdir()) == [folder]


def test_the_old_bundle_returns_if_the_last_rename_fails(
    folder: Path, make_bundle, monkeypatch
) -> None:
    before, rename = content(folder), Path.rename

    def fail_for_the_new_one(self: Path, target: Path) -> Path:
        return no_space() if self.suffix == ".building" else rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_the_new_one)
    with pytest.raises(DataError, match="No space left"):
        make_bundle(seed=1).save(folder, overwrite=True)
    assert content(folder) == before
    assert list(folder.parent.iterdir()) == [folder]


def test_an_interrupted_save_leaves_nothing(bundle, tmp_path, monkeypatch) -> None:
    def interrupt(_path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(storage, "sync_file", interrupt)
    with pytest.raises(KeyboardInterrupt):
        bundle.save(tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_way_of_the_folder_is_an_error(bundle, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        bundle.save(tmp_path / "file" / "bundle")


def test_only_a_bundle_is_overwritten_and_only_when_asked(folder, make_bundle, tmp_path) -> None:
    other = make_bundle(seed=1)
    with pytest.raises(ConfigError, match="exists: choose another folder or pass overwrite"):
        other.save(folder)
    other.save(folder, overwrite=True)
    assert torch.equal(Bundle.load(folder).user_table, other.user_table)
    assert list(tmp_path.iterdir()) == [folder]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    with pytest.raises(ConfigError, match="exists and is not a bundle"):
        other.save(tmp_path / "mine", overwrite=True)
    assert content(tmp_path / "mine") == {"thesis.txt": b"dear"}
    (tmp_path / "empty").mkdir()
    Bundle.load(other.save(tmp_path / "empty"))


def test_metrics_must_be_finite(tmp_path: Path) -> None:
    bundle = Bundle.from_tables(
        torch.ones(1, 1), torch.ones(1, 1), torch.zeros(2, 1, dtype=torch.int64),
        info=BundleInfo(metrics={"recall@20": float("nan")}),
    )  # fmt: skip
    with pytest.raises(ConfigError, match="info: .*finite"):
        bundle.save(tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "remove", "other"])
def test_each_damage_of_each_file_is_found(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    raw = bytearray(path.read_bytes())
    if damage == "remove":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(raw[:-5])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "other":
        path.write_bytes(b"\x80\x04\x95cos\nsystem\n.")
    else:
        raw[len(raw) // 2] ^= 0xFF
        path.write_bytes(raw)
    with pytest.raises(DataError) as caught:
        Bundle.load(folder)
    assert str(path) in str(caught.value)


def rewrite(folder: Path, name: str, change) -> None:
    """Change a file and its digest, as somebody would who edits a bundle by hand."""
    path = folder / name
    if name.endswith(".safetensors"):
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path)
    else:
        value = json.loads(path.read_text())
        path.write_text(json.dumps(change(value)))
    header = json.loads((folder / "bundle.json").read_text())
    header["files"][name] = storage._digest(path)
    (folder / "bundle.json").write_text(json.dumps(header))


def put(name: str, value: torch.Tensor):
    return lambda tensors: tensors.update({name: value})


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("tables.safetensors", put("user_table", torch.ones(12, 4)), "4 wide and item_table 3"),
        ("tables.safetensors", put("user_table", torch.ones(12)), "expected torch.float32 with 2"),
        ("tables.safetensors", put("item_table", torch.ones(17, 3).double()), "float64"),
        ("tables.safetensors", put("item_table", torch.full((17, 3), torch.nan)), "51 values"),
        ("tables.safetensors", lambda t: t.pop("item_table"), "'item_table' is missing"),
        ("history.safetensors", put("crow", torch.arange(5)), "crow has 5 values, expected 13"),
        ("history.safetensors", put("crow", torch.arange(13)), "rise from 0 to 70"),
        ("history.safetensors", put("crow", torch.tensor([0, 9, 3, *[70] * 10])), "crow must rise"),
        ("history.safetensors", put("col", torch.full((70,), 17)), "expected 0 to 16"),
        ("history.safetensors", put("col", torch.full((70,), -1)), "expected 0 to 16"),
        ("user_ids.json", lambda ids: ids[:-1], "got 11 ids for 12 user rows"),
        ("user_ids.json", lambda ids: ["x", *ids[2:], "x"], "'x' comes twice"),
        ("item_ids.json", lambda ids: [1, *ids[1:]], "row 0 is 1, expected text"),
        ("item_ids.json", lambda _: {"a": 1}, "JSON dict, expected a list"),
        ("item_names.json", lambda names: names[1:], "16 names for 17 item rows"),
        ("item_names.json", lambda names: [None, *names[1:]], "row 0 is None"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(folder, name, change, message) -> None:
    rewrite(folder, name, change)
    with pytest.raises(DataError, match=message) as caught:
        Bundle.load(folder)
    assert str(folder / name) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "schema_version is 2, expected 1"),
        ({"counts": {"users": 1}}, "'counts' is .*but the files hold"),
        ({"counts": None}, "'counts' is None, expected an object"),
        ({"info": {}}, "'info' has the fields"),
        ({"info": []}, r"'info' is \[\]"),
        ({"files": {}}, "'files' lists nothing"),
        ({"files": {"../../etc/passwd": "0"}}, "'files' lists"),
    ],
)
def test_a_wrong_header_is_refused(folder: Path, change: dict, message: str) -> None:
    header = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps({**header, **change}))
    with pytest.raises(DataError, match=message) as caught:
        Bundle.load(folder)
    assert str(folder / "bundle.json") in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"), [("name", 3), ("metrics", []), ("metrics", {"a": "b"}), ("extra", "")]
)
def test_a_wrong_info_is_refused(folder: Path, field: str, value: object) -> None:
    header = json.loads((folder / "bundle.json").read_text())
    header["info"][field] = value
    (folder / "bundle.json").write_text(json.dumps(header))
    with pytest.raises(DataError, match="'info"):
        Bundle.load(folder)


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "null", "\ufeff{", "{"])
def test_a_header_that_is_no_object_is_refused(folder: Path, text: str) -> None:
    (folder / "bundle.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="bundle.json"):
        Bundle.load(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent: there is no such folder"):
        Bundle.load(tmp_path / "absent")


def test_loading_runs_no_code_from_the_files(folder: Path, monkeypatch) -> None:
    import pickle

    def refuse(*_args, **_kwargs):
        raise AssertionError("a bundle must not be unpickled or executed")

    for module, name in ((pickle, "load"), (pickle, "loads"), (builtins, "eval"), (os, "system")):
        monkeypatch.setattr(module, name, refuse)
    assert len(Bundle.load(folder).users) == 12
