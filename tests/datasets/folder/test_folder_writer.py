import numpy as np
import pytest
import torch

from mrdib_graph.datasets.conversion.conversion import Conversion, FeatureRows
from mrdib_graph.datasets.folder.folder_record import read_record, verify_folder
from mrdib_graph.datasets.folder.folder_writer import check_free, write_folder
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.features.digests import file_digest as sha256


def made(**changes):
    options = {
        "user": torch.tensor([0, 0, 1]),
        "item": torch.tensor([1, 0, 1]),
        "files": [],
        "time": torch.tensor([1.5, 2.25, 1e15], dtype=torch.float64),
        "user_ids": ["ann", "bö"],
        "item_ids": ["x", "y"],
        "item_columns": {"title": ["One", "Two"], "text": ["One a", ""]},
        "features": {
            "text": FeatureRows(torch.arange(6.0).view(3, 2), torch.tensor([2, 0])),
            "image": FeatureRows(torch.ones(2, 1)),
        },
    }
    return Conversion(**{**options, **changes})


def test_writes_the_layout(tmp_path):
    label = torch.tensor([0, 1, 0])
    record = write_folder(tmp_path / "a" / "shop", made(), label, {"format": "test"})
    folder = tmp_path / "a" / "shop"
    texts = {path.name: path.read_text("utf-8") for path in folder.glob("*.[cit]*")}
    assert texts == {
        "shop.inter": "userID\titemID\tx_label\ttimestamp\n0\t1\t0\t1.5\n0\t0\t1\t2.25\n"
        "1\t1\t0\t1e+15\n",
        "u_id_mapping.csv": "user_id\tuserID\nann\t0\nbö\t1\n",
        "i_id_mapping.csv": "item_id\titemID\nx\t0\ny\t1\n",
        "items.tsv": "itemID\ttitle\ttext\n0\tOne\tOne a\n1\tTwo\t\n",
    }
    assert np.load(folder / "text_feat.npy").tolist() == [[4, 5], [0, 1]]
    assert np.load(folder / "image_feat.npy").dtype == np.float32
    found = read_record(folder)
    assert found is not None and {**record, **found} == found and found["format"] == "test"
    assert found["files"]["items.tsv"]["sha256"] == sha256(folder / "items.tsv")
    verify_folder(folder, found)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) in (
        ["shop"],
        [".shop.lock", "shop"],
    )


def test_what_is_absent_is_not_written(tmp_path):
    bare = made(time=None, user_ids=None, item_ids=None, item_columns={}, features={})
    write_folder(tmp_path / "shop", bare, None, {})
    names = sorted(path.name for path in (tmp_path / "shop").iterdir())
    assert names == ["provenance.json", "shop.inter"]
    assert (tmp_path / "shop/shop.inter").read_text() == "userID\titemID\n0\t1\n0\t0\n1\t1\n"


def test_equal_inputs_give_equal_bytes(tmp_path):
    for parent in ("a", "b"):
        write_folder(tmp_path / parent / "shop", made(), None, {"format": "test"})
    for path in (tmp_path / "a/shop").iterdir():
        assert path.read_bytes() == (tmp_path / "b/shop" / path.name).read_bytes()


def test_nothing_is_left_of_a_failure(tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "open_memmap", full)
    with pytest.raises(DataError, match="shop: cannot be written .No space left on device"):
        write_folder(tmp_path / "shop", made(), None, {})
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "empty").mkdir()
    check_free(tmp_path / "empty")
    check_free(tmp_path / "absent")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    for name in ("", "file", "link"):
        with pytest.raises(ConfigError, match="exists and is not an empty folder; nothing is over"):
            write_folder(tmp_path / name, made(), None, {})
    with pytest.raises(ConfigError, match="dest: got '/', expected a folder with a name"):
        check_free(tmp_path / "/")
    write_folder(tmp_path / "empty", made(), None, {})
    assert (tmp_path / "empty/empty.inter").is_file()
