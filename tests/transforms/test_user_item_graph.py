"""The operators of the interactions against dense matrices and a hand-computed graph."""

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.nn import LGConv

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.nn import LightConv
from mrdib_graph.testing import tiny_data
from mrdib_graph.transforms import UserHistoryGraph, UserItemGraph


def two_by_two() -> HeteroData:
    """Users 0 and 1, items 0 and 1; pairs (0, 0), (0, 1), (1, 1); one more pair is not training."""
    data = HeteroData()
    data["user"].num_nodes = data["item"].num_nodes = 2
    store = data["user", "interacts", "item"]
    store.edge_index = torch.tensor([[0, 1, 0, 1], [1, 0, 0, 1]])
    store.train_mask = torch.tensor([True, False, True, True])
    store.val_mask = ~store.train_mask
    store.test_mask = torch.zeros(4, dtype=torch.bool)
    return data


def built(norm: str, data: HeteroData | None = None):
    data = UserItemGraph(norm)(two_by_two() if data is None else data)  # type: ignore[arg-type]
    return graph.user_item_graph(data, norm)


def dense(data: HeteroData, norm: str) -> Tensor:
    users, size = graph.num_users(data), graph.num_users(data) + graph.num_items(data)
    a = torch.zeros(size, size)
    user, item = graph.interactions(data, "train")
    a[user, item + users] = a[item + users, user] = 1.0
    if norm == "row_self":
        a += torch.eye(size)
    degree = a.sum(1)
    scale = torch.where(degree > 0, 1 / degree.clamp(min=1), torch.zeros(size))
    if norm == "sym":
        return scale.sqrt().unsqueeze(1) * a * scale.sqrt()
    return scale.unsqueeze(1) * a


@pytest.mark.parametrize("norm", ["sym", "row", "row_self"])
def test_equals_dense(norm: str) -> None:
    data = tiny_data()
    matrix = built(norm, data)
    torch.testing.assert_close(matrix.dense(), dense(data, norm))
    assert matrix.symmetric == (norm == "sym")


def test_hand_computed_symmetric_graph() -> None:
    s = built("sym").dense()
    r, h = 0.70711, 0.5
    expected = [[0, 0, r, h], [0, 0, 0, r], [r, 0, 0, 0], [h, r, 0, 0]]
    torch.testing.assert_close(s, torch.tensor(expected), atol=1e-5, rtol=0)
    eigenvalues = torch.linalg.eigvalsh(s)
    torch.testing.assert_close(eigenvalues, torch.tensor([-1.0, -0.5, 0.5, 1.0]))
    root = torch.tensor([2.0, 1.0, 1.0, 2.0]).sqrt()
    torch.testing.assert_close(s @ root, root)


def test_hand_computed_symmetric_propagation() -> None:
    s = built("sym")
    x = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    for layers, expected in (
        (1, [2.5607, 2.4142, 1.8536, 2.9571]),
        (2, [2.1928, 2.0607, 2.2071, 3.3250]),
    ):
        out = LightConv(layers)(x, s).squeeze(1)
        torch.testing.assert_close(out, torch.tensor(expected), atol=5e-5, rtol=0)
    one, two = s @ x, s @ (s @ x)
    first, second = [4.1213, 2.8284, 0.7071, 1.9142], [1.4571, 1.3536, 2.9142, 4.0607]
    torch.testing.assert_close(one.squeeze(1), torch.tensor(first), atol=5e-5, rtol=0)
    torch.testing.assert_close(two.squeeze(1), torch.tensor(second), atol=5e-5, rtol=0)


def test_hand_computed_row_graph_with_self_loops() -> None:
    t = built("row_self")
    third, half = 1 / 3, 1 / 2
    expected = [[third, 0, third, third], [0, half, 0, half], [half, 0, half, 0]]
    expected.append([third, third, 0, third])
    torch.testing.assert_close(t.dense(), torch.tensor(expected))
    out = LightConv(2)(torch.tensor([[1.0], [2.0], [3.0], [4.0]]), t).squeeze(1)
    torch.testing.assert_close(out, torch.tensor([2.0, 2.5556, 2.4444, 3.0]), atol=5e-5, rtol=0)


def test_row_sums() -> None:
    data = tiny_data()  # the last user and the last item have no interaction
    idle = [graph.num_users(data) - 1, graph.num_users(data) + graph.num_items(data) - 1]
    sums = built("row", data).row_sum()
    assert sums[idle].tolist() == [0, 0]
    torch.testing.assert_close(built("row_self", data).row_sum(), torch.ones_like(sums))
    assert built("row_self", data).dense()[idle[0], idle[0]] == 1


def test_agrees_with_pyg() -> None:
    data = tiny_data()
    user, item = graph.interactions(data, "train")
    item = item + graph.num_users(data)
    edges = torch.stack([torch.cat([user, item]), torch.cat([item, user])])
    x = torch.randn(70, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(built("sym", data) @ x, LGConv()(x, edges))


def test_is_built_once_and_leaves_the_given_graph_alone() -> None:
    data = two_by_two()
    once = UserItemGraph("sym")(data)
    assert not graph.has_operator(data, "user_item_sym")
    again = UserItemGraph("sym")(once)
    assert graph.user_item_graph(again) is graph.user_item_graph(once)


def test_errors_and_repr() -> None:
    assert repr(UserItemGraph("row")) == "UserItemGraph(norm='row')"
    with pytest.raises(ConfigError, match="norm: got 'col'"):
        UserItemGraph("col")  # type: ignore[arg-type]
    data = two_by_two()
    del data["user", "interacts", "item"].train_mask
    with pytest.raises(DataError, match="split them first"):
        UserItemGraph()(data)


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
