import torch
from torch.nn import Embedding
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.sparse import SparseMatrix
from mrdib_graph.subgraph import (
    ALL,
    Messages,
    Sampling,
    history_messages,
    is_subgraph,
    item_messages,
    table_rows,
    user_item_messages,
)


def subgraph() -> HeteroData:
    data = HeteroData()
    for node_type, n_id in (("user", [4, 1]), ("item", [2, 0, 3])):
        data[node_type].num_nodes = len(n_id)
        data[node_type].n_id = torch.tensor(n_id)
    return data


def test_table_rows_are_looked_up_by_the_numbers_of_the_whole_graph(tiny):
    table = Embedding(5, 3)
    sub = subgraph()
    assert is_subgraph(sub) and not is_subgraph(tiny)
    assert torch.equal(table_rows(table, sub, "user"), table.weight[[4, 1]])
    index = torch.tensor([[2, 0], [0, 1]])
    assert torch.equal(
        table_rows(table, sub, "item", index), table.weight[torch.tensor([[3, 2], [2, 0]])]
    )
    assert table_rows(table, tiny, "user") is table.weight
    assert torch.equal(table_rows(table, tiny, "item", index), table.weight[index])


def test_only_the_looked_up_rows_have_a_gradient():
    table = Embedding(5, 3)
    table_rows(table, subgraph(), "user").sum().backward()
    assert table.weight.grad.abs().sum(1).nonzero().flatten().tolist() == [1, 4]


def test_messages_have_the_names_that_the_views_of_the_graph_read(tiny):
    one = SparseMatrix.from_edges(torch.tensor([0]), torch.tensor([0]), None, (1, 1))
    for name in ("user_item_sym", "user_history_mean", "item_text_cos_sym"):
        graph.set_operator(tiny, name, one)
    made = [
        user_item_messages(graph.user_item_graph(tiny, "sym"), "sym", 2),
        history_messages(tiny, "mean", 1),
        item_messages(tiny, "text", "cos_sym", 3),
    ]
    assert made == [
        Messages("user_item_sym", one, ALL, ALL, 2),
        Messages("user_history_mean", one, "user", "item", 1),
        Messages("item_text_cos_sym", one, "item", "item", 3),
    ]
    assert Sampling(made).messages == made and not Sampling().all_features
