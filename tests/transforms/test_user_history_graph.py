"""The operators from items to users against dense matrices."""

import pytest
import torch

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError
from mrdib_graph.testing import tiny_data
from mrdib_graph.transforms import UserHistoryGraph, UserItemGraph


def dense_history(data):
    history = torch.zeros(graph.num_users(data), graph.num_items(data))
    user, item = graph.interactions(data, "train")
    history[user, item] = 1.0
    return history


def test_sum_and_mean_of_the_history() -> None:
    data = tiny_data()
    history = dense_history(data)
    operator = graph.user_history(UserHistoryGraph("sum")(data), "sum")
    assert torch.equal(operator.dense(), history)
    operator = graph.user_history(UserHistoryGraph()(data))
    torch.testing.assert_close(operator.dense(), history / history.sum(1, keepdim=True).clamp(1))
    assert not bool((operator @ torch.ones(40, 2))[-1].any())  # a user without interactions


def test_sym_is_the_block_of_the_user_item_graph() -> None:
    data = UserItemGraph("sym")(UserHistoryGraph("sym")(tiny_data()))
    block = graph.user_item_graph(data).block(slice(0, 30), slice(30, 70))
    torch.testing.assert_close(graph.user_history(data, "sym").dense(), block.dense())


def test_a_repeated_interaction_counts_once() -> None:
    data = tiny_data()
    store = data[graph.INTERACTS]
    store.edge_index = torch.cat([store.edge_index, store.edge_index], dim=1)
    for split in graph.SPLITS:
        store[f"{split}_mask"] = store[f"{split}_mask"].repeat(2)
    assert torch.equal(
        graph.user_history(UserHistoryGraph("sum")(data), "sum").dense(), dense_history(data)
    )


def test_an_operator_that_is_there_is_kept() -> None:
    data = UserHistoryGraph("sym")(tiny_data())
    operator = graph.user_history(data, "sym")
    assert graph.user_history(UserHistoryGraph("sym")(data), "sym") is operator


def test_unknown_norm() -> None:
    with pytest.raises(ConfigError, match="norm: got 'row', expected sum, mean or sym"):
        UserHistoryGraph("row")  # type: ignore[arg-type]
