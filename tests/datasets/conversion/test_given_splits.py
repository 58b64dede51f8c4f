import numpy as np
import pytest
import torch

from mrdib_graph.datasets.conversion.given_splits import assemble
from mrdib_graph.errors import DataError

ROWS = [(0, 0, 0), (0, 2, 0), (1, 1, 0), (0, 1, 1), (1, 2, 2)]


@pytest.fixture
def build(tmp_path):
    np.save(tmp_path / "text_feat.npy", np.arange(6, dtype=np.float32).reshape(3, 2))

    def build(rows=ROWS, features=None, deduplicate=False, renumber=False):
        files = [tmp_path / f"{name}.json" for name in ("train", "val", "test")]
        table = torch.tensor(rows, dtype=torch.int64)
        return assemble(
            tmp_path, files, table, lambda row: f"{files[rows[row][2]]}: row {row}",
            features, deduplicate, renumber,
        )  # fmt: skip

    return build


def test_numbers_stay_as_they_are(build):
    found = build()
    assert torch.stack([found.user, found.item, found.label], 1).tolist() == [*map(list, ROWS)]
    assert found.user_ids is None and found.item_ids is None and found.time is None
    assert found.features["text"].x.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_renumbered_items_keep_their_feature_rows(build, tmp_path):
    np.save(tmp_path / "text_feat.npy", np.arange(20, dtype=np.float32).reshape(10, 2))
    rows = [(5 * user, 3 * item, label) for user, item, label in ROWS]
    found = build(rows, renumber=True)
    assert found.user.tolist() == [row[0] for row in ROWS]
    assert found.item.tolist() == [row[1] for row in ROWS]
    assert found.user_ids == ["0", "5"] and found.item_ids == ["0", "3", "6"]
    text = found.features["text"]
    assert text.row is not None and text.x[text.row].tolist() == [[0, 1], [6, 7], [12, 13]]


def test_repeated_pairs(build):
    rows = [*ROWS, (0, 2, 0)]
    with pytest.raises(DataError, match=r"train\.json: row 5 repeats the pair of row 1"):
        build(rows)
    found = build(rows, deduplicate=True)
    assert found.user.numel() == 5 and found.dropped == {"repeated rows": 1}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(0, 0, 1), (0, 1, 2)], r"train\.json: line 1: the training split is empty"),
        ([*ROWS, (0, 2, 2)], r"test\.json: row 5 has the pair .user 0, item 2. that .*train\.json: "
                             "row 1 has, too; 1 pairs are in two splits"),
        ([(0, 0, 0), (0, 2, 0), (0, 1, 1), (1, 2, 2)], r"test\.json: line 1: none of its 1 rows"),
        ([(5000, 0, 0), (5000, 2, 0), (5000, 1, 1)],
         "user has 1 distinct ids and the largest is 5000: .*renumber"),
        ([(0, 0, 0), (0, 9000, 0), (0, 1, 1)], "item has 3 distinct ids and the largest is 9000"),
        ([(0, 0, 0), (0, 1, 0)], r"text_feat\.npy: 3 rows, and the interactions .* have 2 items"),
    ],
)  # fmt: skip
def test_splits_that_do_not_fit_together(build, rows, message):
    with pytest.raises(DataError, match=message):
        build(rows)


def test_features_that_do_not_reach_every_item(build):
    rows = [(0, 0, 0), (0, 7, 0), (0, 1, 1)]
    with pytest.raises(
        DataError, match=r"text_feat\.npy: 3 rows, and the largest item number .* 7"
    ):
        build(rows, renumber=True)
    assert build(rows, features={}).features == {}


def test_huge_numbers_are_refused_or_numbered_anew(build, tmp_path):
    (tmp_path / "text_feat.npy").unlink()
    rows = [(0, 0, 0), (10**17, 10**17, 0), (10**17, 0, 1), (0, 10**17, 2)]
    with pytest.raises(DataError, match="column user .* largest is 100000000000000000"):
        build(rows)
    found = build(rows, renumber=True)
    assert found.user.tolist() == [0, 1, 1, 0] and found.item.tolist() == [0, 1, 0, 1]
