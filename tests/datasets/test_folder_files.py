import numpy as np
import pytest

from mrdib_graph.datasets.folder_files import write_interactions, write_table
from mrdib_graph.datasets.id_mapping import read_id_table
from mrdib_graph.datasets.interaction_file import read_interactions


def test_interactions_are_read_back(tmp_path):
    path = tmp_path / "a.inter"
    columns = [np.array(c) for c in ([0, 1, 1], [2, 0, 1], [5.0, 1.5, 3], [9, 8, 2**40], [0, 1, 2])]
    write_interactions(path, *columns)
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
