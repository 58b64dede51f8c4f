from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdib_graph.datasets.amazon.k_core import first_of_each, k_core, number
from mrdib_graph.errors import DataError

ROWS = st.lists(st.tuples(*[st.integers(0, 5)] * 3), min_size=1, max_size=60)


def columns(rows):
    return [np.array(column, dtype=np.int32) for column in zip(*rows, strict=True)]


def slow_core(pairs, k):
    """Remove one row at a time, as long as its user or item has fewer than k."""
    left = list(pairs)
    while True:
        users, items = Counter(u for u, _ in left), Counter(i for _, i in left)
        poor = [p for p in left if users[p[0]] < k or items[p[1]] < k]
        if not poor:
            return left
        left.remove(poor[0])


@given(ROWS, st.integers(1, 4))
def test_the_core_is_that_of_a_slow_loop(rows, k):
    pairs = sorted({(u, i) for u, i, _ in rows})
    user, item = columns(pairs)
    expected = slow_core(pairs, k)
    if not expected:
        with pytest.raises(DataError, match=f"{k}-core: none of {len(pairs)} rows"):
            k_core(user, item, k)
        return
    found = k_core(user, item, k)
    assert [pairs[row] for row in found.rows] == expected
    assert (found.rounds == 0) == (len(expected) == len(pairs))


@given(ROWS)
def test_the_earliest_row_of_each_pair_stays(rows):
    kept, counts = first_of_each(*columns(rows))
    best = {}
    for place, (u, i, t) in enumerate(rows):
        if (u, i) not in best or t < rows[best[u, i]][2]:
            best[u, i] = place
    assert kept.tolist() == sorted(best.values())
    exact = len(rows) - len(set(rows))
    assert counts == {
        "exact duplicates": exact,
        "later rows of a pair": len(set(rows)) - len(best),
    }


def test_numbers_follow_the_first_appearance():
    codes, kept = number(np.array([7, 3, 7, 9, 3]))
    assert codes.tolist() == [0, 1, 0, 2, 1] and kept.tolist() == [7, 3, 9]
