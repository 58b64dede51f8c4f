import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph.loader import MessageGraph
from mrdib_graph.sparse import SparseMatrix
from mrdib_graph.subgraph import ALL, Messages

NODES = torch.tensor(  # 2 users, then 3 items; a loop on user 0
    [
        [9.0, 0, 1, 2, 3],
        [0, 0, 0, 4, 0],
        [1, 0, 0, 0, 0],
        [2, 4, 0, 0, 0],
        [3, 0, 0, 0, 0],
    ]
)


def sparse(dense: torch.Tensor) -> SparseMatrix:
    row, col = dense.nonzero().t()
    return SparseMatrix.from_edges(row, col, dense[row, col], tuple(dense.shape))


def test_every_block_of_an_operator_is_a_relation():
    made = MessageGraph([Messages("m", sparse(NODES), ALL, ALL, 2)], 2, 3, [5])
    assert set(made.data.edge_types) == {
        ("user", "m", "user"),
        ("item", "m", "user"),
        ("user", "m", "item"),
    }
    store = made.data["item", "m", "user"]
    source, target = store.edge_index.tolist()
    assert target == [0, 0, 0, 1]  # sorted, as the sampler takes them to be
    found = sorted(zip(target, source, store.weight.tolist(), strict=True))
    assert found == [(0, 0, 1.0), (0, 1, 2.0), (0, 2, 3.0), (1, 1, 4.0)]


def test_messages_to_a_node_are_shuffled():
    row = torch.arange(3).repeat_interleave(50)
    matrix = SparseMatrix.from_edges(row, torch.arange(150) % 50, torch.arange(150.0), (3, 50))
    orders = []
    for seed in (0, 0, 1):
        generator = torch.Generator().manual_seed(seed)
        made = MessageGraph([Messages("h", matrix, "user", "item", 1)], 3, 50, [2], generator)
        store = made.data["item", "h", "user"]
        assert torch.equal(store.edge_index[1], row)
        assert torch.equal(store.weight, store.edge_index[1] * 50.0 + store.edge_index[0])
        orders.append(store.edge_index[0])
    assert torch.equal(orders[0], orders[1]) and not torch.equal(orders[0], orders[2])
    assert orders[0].tolist() != (torch.arange(150) % 50).tolist()


def test_fan_outs_end_after_the_hops_of_their_operator():
    items = sparse(torch.eye(3))
    made = MessageGraph(
        [Messages("a", sparse(NODES), ALL, ALL, 3), Messages("b", items, "item", "item", 1)],
        2,
        3,
        [7, 4],
    )
    assert made.fan_outs["user", "a", "item"] == [7, 4, 4]
    assert made.fan_outs["item", "b", "item"] == [7, 0, 0]


def test_without_messages_nothing_can_be_taken():
    assert list(MessageGraph([], 2, 3, [5]).fan_outs.values()) == [[0]]


def test_sampled_messages_stand_for_those_left_out():
    made = MessageGraph([Messages("m", sparse(NODES), ALL, ALL, 1)], 2, 3, [2])
    sampled = HeteroData()
    sampled["user"].num_nodes, sampled["user"].n_id = 1, torch.tensor([0])
    sampled["item"].num_nodes, sampled["item"].n_id = 2, torch.tensor([2, 1])
    for relation, edges, weight in (
        (("item", "m", "user"), [[0, 1], [0, 0]], [3.0, 2.0]),  # 2 of 3 messages to user 0
        (("user", "m", "user"), [[0], [0]], [9.0]),
        (("user", "m", "item"), [[0], [1]], [2.0]),  # 1 of 2 messages to item 1
    ):
        sampled[relation].edge_index = torch.tensor(edges)
        sampled[relation].weight = torch.tensor(weight)
    operator = made.operators(sampled)["m"]
    expected = torch.tensor([[9.0, 4.5, 3.0], [0, 0, 0], [4.0, 0, 0]])
    torch.testing.assert_close(operator.dense(), expected)


@pytest.mark.parametrize("count", [1, 2])
def test_the_mean_over_all_draws_is_the_whole_message(count):
    """All subsets of the three messages to user 0, by the rule that the loader follows."""
    full = sparse(torch.tensor([[1.0, 2.0, 3.0]]))
    made = MessageGraph([Messages("h", full, "user", "item", 1)], 1, 3, [count])
    total = torch.zeros(1)
    x = torch.tensor([[10.0], [100.0], [1000.0]])
    subsets = list(torch.combinations(torch.arange(3), count))
    for chosen in subsets:
        sampled = HeteroData()
        sampled["user"].num_nodes, sampled["user"].n_id = 1, torch.tensor([0])
        sampled["item"].num_nodes, sampled["item"].n_id = count, chosen
        store = sampled["item", "h", "user"]
        store.edge_index = torch.stack([torch.arange(count), torch.zeros_like(chosen)])
        store.weight = chosen + 1.0
        total += (made.operators(sampled)["h"] @ x[chosen]).flatten()
    torch.testing.assert_close(total / len(subsets), (full @ x).flatten())
