import torch
from torch.nn import Embedding
from torch_geometric.data import HeteroData

from mrdib_graph.subgraph import is_subgraph, table_rows


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
