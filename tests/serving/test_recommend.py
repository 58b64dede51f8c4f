import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mrdib_graph.errors import ConfigError
from mrdib_graph.serving.recommend import (
    History,
    Recommendation,
    as_recommendations,
    rank_rows,
)


@st.composite
def problems(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, list[set[int]], int]:
    users, items, width = draw(st.integers(1, 5)), draw(st.integers(1, 9)), draw(st.integers(1, 3))
    values = st.integers(-2, 2)
    table = [
        torch.tensor(draw(st.lists(st.lists(values, min_size=width, max_size=width),
                                   min_size=n, max_size=n))).float()
        for n in (users, items)
    ]  # fmt: skip
    seen = [draw(st.sets(st.integers(0, items - 1))) for _ in range(users)]
    return table[0], table[1], seen, draw(st.integers(1, items))


@given(problems())
def test_ranking_equals_a_sort_in_plain_python(problem) -> None:
    user_table, item_table, seen, k = problem
    pairs = [(u, i) for u, items in enumerate(seen) for i in items]
    edge_index = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).t()
    history = History.from_edges(edge_index, len(user_table), len(item_table))
    users = torch.arange(len(user_table)).flip(0)
    scores, items = rank_rows(user_table[users], item_table, k, history.positions(users))
    ids = [str(row) for row in range(len(item_table))]
    ranked = as_recommendations(scores, items, ids, None)
    for user, found in zip(users.tolist(), ranked, strict=True):
        row = user_table[user].tolist()
        score = {
            item: sum(a * b for a, b in zip(row, item_table[item].tolist(), strict=True))
            for item in range(len(item_table))
            if item not in seen[user]
        }
        expected = sorted(score, key=lambda item: (-score[item], item))[:k]
        assert found == [
            Recommendation(str(item), None, score[item], rank)
            for rank, item in enumerate(expected, start=1)
        ]


def test_history_keeps_a_repeated_pair_once() -> None:
    history = History.from_edges(torch.tensor([[1, 0, 1, 1], [2, 0, 0, 2]]), 3, 3)
    assert history.crow.tolist() == [0, 1, 3, 3]
    assert history.col.tolist() == [0, 0, 2]
    row, item = history.positions(torch.tensor([2, 1, 1]))
    assert row.tolist() == [1, 1, 2, 2]
    assert item.tolist() == [0, 2, 0, 2]


@pytest.mark.parametrize(
    ("edge_index", "message"),
    [
        (torch.zeros(3, 2, dtype=torch.int64), r"shape \(3, 2\), expected int64 of shape \[2, E\]"),
        (torch.zeros(2, 2), "float32"),
        (torch.tensor([[0, 3], [0, 0]]), "users: got rows 0 to 3, expected 0 to 2"),
        (torch.tensor([[0, 1], [-1, 0]]), "items: got rows -1 to 0, expected 0 to 3"),
    ],
)
def test_history_refuses_bad_edges(edge_index, message) -> None:
    with pytest.raises(ConfigError, match=message):
        History.from_edges(edge_index, 3, 4)
