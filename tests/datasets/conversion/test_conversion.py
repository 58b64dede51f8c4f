import pytest
import torch

from mrdib_graph.datasets.conversion.conversion import EXACT, PairCollector, distinct, whole
from mrdib_graph.errors import DataError


def test_ids_are_numbered_in_order_of_first_appearance(tmp_path):
    collector = PairCollector(tmp_path / "raw", timed=True)
    for line, row in enumerate([("b", "x", 3.0), ("a", "y", 1.0), ("b", "y", 2.0)], start=2):
        collector.add(line, *row)
    pairs = collector.finish(deduplicate=False)
    assert pairs.user_ids == ["b", "a"] and pairs.item_ids == ["x", "y"]
    assert pairs.user.tolist() == [0, 1, 0] and pairs.item.tolist() == [0, 1, 1]
    assert pairs.time is not None and pairs.time.tolist() == [3, 1, 2]
    assert pairs.time.dtype == torch.int64 and pairs.line.tolist() == [2, 3, 4]
    assert pairs.repeated == 0


def test_repeated_pairs_are_refused_by_their_lines_or_dropped(tmp_path):
    collector = PairCollector(tmp_path / "raw", timed=False)
    for line, item in ((2, "x"), (3, "y"), (5, "x"), (6, "x")):
        collector.add(line, "a", item)
    message = "raw: line 5 repeats the pair of line 2, and 2 rows in all"
    with pytest.raises(DataError, match=message):
        collector.finish(deduplicate=False)
    pairs = collector.finish(deduplicate=True)
    assert pairs.item.tolist() == [0, 1] and pairs.line.tolist() == [2, 3] and pairs.repeated == 2


def test_nothing_is_refused(tmp_path):
    with pytest.raises(DataError, match="raw: there is no row to keep"):
        PairCollector(tmp_path / "raw", timed=False).finish(deduplicate=False)


def test_distinct_keeps_the_first_row():
    user, item = torch.tensor([1, 0, 1, 0, 1]), torch.tensor([2, 2, 2, 2, 0])
    kept = distinct(user, item, str, deduplicate=True)
    assert kept.tolist() == [True, True, False, False, True]


def test_times_are_whole_numbers_only_where_that_is_exact():
    assert whole(torch.tensor([1.0, 2.0], dtype=torch.float64)).dtype == torch.int64
    assert whole(torch.tensor([1.5, 2.0], dtype=torch.float64)).dtype == torch.float64
    assert whole(torch.tensor([float(EXACT)], dtype=torch.float64)).dtype == torch.float64
