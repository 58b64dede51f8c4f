import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mrdib_graph.errors import DataError
from mrdib_graph.transforms.global_splits import check_reachable, cold_item_labels, time_labels

TIMES = st.lists(st.integers(0, 40), min_size=1, max_size=60)


def test_distinct_times_are_cut_by_rank():
    time = torch.randperm(1000) + 5_000_000_000
    label = time_labels(time, 0.25, None)
    rank = torch.argsort(torch.argsort(time))
    expected = (rank >= 750).long() + (rank >= 875).long()
    assert label.tolist() == expected.tolist()


def test_an_odd_number_gives_test_the_larger_half():
    assert time_labels(torch.arange(10), 0.3, None).tolist() == [0] * 7 + [1, 2, 2]


def test_rows_of_one_time_stay_together():
    time = torch.tensor([0, 0, 1, 2, 2, 2, 3, 3, 4, 4])
    assert time_labels(time, 0.4, None).tolist() == [0] * 6 + [1, 1, 2, 2]
    assert time_labels(time, 0.5, None).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2]


def test_cuts_of_a_published_split():
    """Amazon 2023: training before the first time, test from the second on."""
    first, second = 1628643414042, 1658002729837
    time = torch.tensor([first - 1, first, second - 1, second])
    assert time_labels(time, 0.2, (first, second)).tolist() == [0, 1, 1, 2]


@given(TIMES, st.floats(0.05, 0.9))
def test_no_training_row_is_as_late_as_a_held_out_one(times, share):
    time = torch.tensor(times)
    try:
        label = time_labels(time, share, None)
    except DataError:
        return
    parts = [time[label == value] for value in range(3)]
    assert parts[0].max() < parts[1].min() and parts[1].max() < parts[2].min()
    assert (label > 0).sum() >= int(share * len(times))


@pytest.mark.parametrize(
    ("times", "share", "cuts", "message"),
    [
        ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], 0.2, None, "0 training.*from 1 to 1"),
        ([0, 1, 1, 1, 1, 1, 1, 1, 1, 1], 0.2, None, "0 validation"),
        ([0, 1, 2, 3], 0.2, None, "holds out 0, expected at least 2"),
        ([0, 1, 2, 3], 0.2, (9, 10), "4 training, 0 validation and 0 test"),
    ],
)
def test_no_part_is_empty(times, share, cuts, message):
    with pytest.raises(DataError, match=message):
        time_labels(torch.tensor(times), share, cuts)


@given(st.lists(st.integers(0, 30), min_size=12, max_size=80), st.integers(0, 5))
def test_cold_items_are_whole_items_in_halves(items, seed):
    item = torch.tensor([*items, *range(8)])
    label = cold_item_labels(item, 0.5, seed)
    for number in item.unique():
        assert label[item == number].unique().numel() == 1
    count = item.unique().numel()
    held = [item[label == value].unique().numel() for value in (1, 2)]
    assert sum(held) == round(0.5 * count) and held[0] == sum(held) // 2


def test_items_without_an_interaction_are_never_drawn():
    item = torch.tensor([0, 5, 5, 90, 91, 92, 93, 94, 95, 96])
    label = cold_item_labels(item, 0.3, 0)
    assert item[label > 0].unique().numel() == round(0.3 * 9)


def test_every_item_is_drawn_equally_often():
    item = torch.arange(10)
    drawn = sum((cold_item_labels(item, 0.4, seed) == 2).double() for seed in range(2000))
    chi2 = float(((drawn - 400) ** 2 / 400).sum())
    assert 0.3 < chi2 < 33.7  # below the 1e-4 quantile of the upper tail, 9 degrees of freedom


@pytest.mark.parametrize(("share", "held"), [(0.1, 1), (0.96, 10)])
def test_a_share_that_leaves_nothing(share, held):
    with pytest.raises(DataError, match=f"of 10 items holds out {held}, expected 2 to 9"):
        cold_item_labels(torch.arange(10), share, 0)


def test_reachable_rows_are_counted_and_needed():
    user, label = torch.tensor([0, 0, 1, 1, 2]), torch.tensor([0, 1, 1, 2, 2])
    with pytest.raises(DataError, match="none of the 2 test interactions"):
        check_reachable("cold_items", user, label)
    user = torch.tensor([0, 0, 1, 0, 2])
    assert check_reachable("cold_items", user, label) == {"validation": 1, "test": 1}
