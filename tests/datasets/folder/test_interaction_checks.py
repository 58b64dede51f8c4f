import logging
from pathlib import Path

import pytest
import torch

from mrdib_graph.datasets.folder.interaction_checks import (
    check_dense,
    drop_unseen_users,
    keep,
    pair_keys,
    unique_pairs,
)
from mrdib_graph.datasets.folder.interaction_file import Interactions
from mrdib_graph.errors import DataError

PATH = Path("set.inter")


def rows(*triples):
    user, item, label = torch.tensor(triples).t()
    return Interactions(user, item, label, torch.arange(len(triples)))


def test_sparse_ids_are_refused_at_the_stated_limit():
    ids = torch.arange(100)
    ids[-1] = 10 * 100 + 1000
    with pytest.raises(
        DataError, match="set.inter: column itemID has 100 distinct.*largest is 200"
    ):
        check_dense(PATH, ids, "itemID")
    ids[-1] -= 1
    check_dense(PATH, ids, "itemID")


def test_distinct_pairs_pass_unchanged():
    x = rows((0, 0, 0), (0, 1, 1), (1, 0, 0))
    assert unique_pairs(PATH, x, False) is x


def test_repeated_pairs_are_refused_or_the_first_is_kept(caplog):
    x = rows((0, 0, 0), (1, 2, 0), (0, 1, 1), (1, 2, 0), (1, 2, 0))
    with pytest.raises(DataError, match=r"2 rows repeat.*\(user 1, item 2\)"):
        unique_pairs(PATH, x, False)
    with caplog.at_level(logging.WARNING):
        kept = unique_pairs(PATH, x, True)
    assert kept.time.tolist() == [0, 1, 2]
    assert "2 repeated rows dropped" in caplog.text


@pytest.mark.parametrize("deduplicate", [False, True])
def test_a_pair_in_two_splits_is_always_refused(deduplicate):
    x = rows((0, 0, 0), (1, 2, 0), (1, 2, 2))
    with pytest.raises(DataError, match=r"1 pairs are in two splits.*\(user 1, item 2\)"):
        unique_pairs(PATH, x, deduplicate)


def test_without_labels_there_is_no_leak_to_refuse():
    x = rows((0, 0, 0), (1, 2, 0), (1, 2, 2))._replace(label=None)
    assert unique_pairs(PATH, x, True).user.tolist() == [0, 1]


def test_held_out_rows_of_unseen_users_are_dropped_with_a_count(caplog):
    x = rows((0, 0, 0), (0, 1, 1), (0, 2, 2), (5, 1, 1), (5, 2, 2), (6, 0, 2))
    with caplog.at_level(logging.WARNING):
        kept = drop_unseen_users(PATH, x)
    assert kept.time.tolist() == [0, 1, 2]
    assert "1 validation rows dropped" in caplog.text
    assert "2 test rows dropped" in caplog.text


def test_empty_splits(caplog):
    with pytest.raises(DataError, match="set.inter: x_label: .*training split is empty"):
        drop_unseen_users(PATH, rows((0, 0, 1), (0, 1, 2)))
    with pytest.raises(DataError, match="none of the 1 test rows"):
        drop_unseen_users(PATH, rows((0, 0, 0), (0, 1, 1), (1, 1, 2)))
    with caplog.at_level(logging.WARNING):
        drop_unseen_users(PATH, rows((0, 0, 0), (0, 1, 2)))
    assert "the validation split is empty" in caplog.text


def test_keep_filters_every_column_that_is_there():
    kept = keep(rows((0, 0, 0), (1, 1, 1))._replace(label=None), torch.tensor([False, True]))
    assert kept.user.tolist() == [1] and kept.time.tolist() == [1] and kept.label is None


def test_keys_of_pairs_do_not_wrap_around():
    user, item = torch.tensor([4, 3, 4, 0]), torch.tensor([2**62, 5, 2**62, 2**62 - 1])
    keys = pair_keys(user, item)
    assert keys[0] == keys[2] and torch.unique(keys).numel() == 3
    small = pair_keys(torch.tensor([0, 1, 1]), torch.tensor([2, 0, 2]))
    assert small.tolist() == [2, 3, 5]


def test_huge_ids_take_no_memory_of_their_size():
    rows = Interactions(
        torch.tensor([2**61, 2**61, 7]), torch.tensor([0, 1, 0]), torch.tensor([0, 1, 1]), None
    )
    assert drop_unseen_users(Path("a.inter"), rows).user.tolist() == [2**61, 2**61]
