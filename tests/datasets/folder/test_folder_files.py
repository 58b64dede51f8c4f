import numpy as np
import pytest
import torch

from mrdib_graph.datasets.folder import folder_files
from mrdib_graph.datasets.folder.folder_files import (
    write_feature_rows,
    write_interactions,
    write_table,
)
from mrdib_graph.datasets.folder.id_mapping import read_id_table
from mrdib_graph.datasets.folder.interaction_file import read_interactions


def test_interactions_are_read_back(tmp_path):
    path = tmp_path / "a.inter"
    columns = [np.array(c) for c in ([0, 1, 1], [2, 0, 1], [5.0, 1.5, 3], [9, 8, 2**40], [0, 1, 2])]
    names = ("userID", "itemID", "rating", "timestamp", "x_label")
    write_interactions(path, dict(zip(names, columns, strict=True)))
    assert path.read_text().splitlines()[:2] == [
        "userID\titemID\trating\ttimestamp\tx_label",
        "0\t2\t5\t9\t0",
    ]
    found = read_interactions(path)
    for column, at in ((found.user, 0), (found.item, 1), (found.label, 4), (found.time, 3)):
        assert column.tolist() == columns[at].tolist()


def test_a_table_is_read_back(tmp_path):
    write_table(tmp_path / "t", itemID=[0, 1], title=["Straße 'a'", ""], text=["x", '"y" z '])
    assert read_id_table(tmp_path / "t", "itemID", 2) == {
        "title": ["Straße 'a'", ""],
        "text": ["x", '"y" z '],
    }
    with pytest.raises(ValueError, match="shorter"):
        write_table(tmp_path / "t", itemID=[0, 1], title=["one"])


def test_an_absent_column_is_left_out_and_tensors_are_taken(tmp_path):
    path = tmp_path / "a.inter"
    columns = {"userID": torch.tensor([0, 1]), "itemID": np.array([1, 0]), "x_label": None}
    write_interactions(path, columns)
    assert path.read_text() == "userID\titemID\n0\t1\n1\t0\n"


def test_feature_rows_in_several_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_files, "BLOCK_VALUES", 8)
    x = torch.randn(11, 3, generator=torch.Generator().manual_seed(0))
    row = torch.tensor([7, 7, 0, 10, 3])
    write_feature_rows(tmp_path / "a.npy", x)
    write_feature_rows(tmp_path / "b.npy", x, row)
    assert np.array_equal(np.load(tmp_path / "a.npy"), x.numpy())
    assert np.array_equal(np.load(tmp_path / "b.npy"), x[row].numpy())
