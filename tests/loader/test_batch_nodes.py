import torch

from mrdib_graph.loader import BatchNodes, all_nodes, distinct_nodes
from mrdib_graph.typing import Triplets

BATCH = Triplets(
    torch.tensor([7, 3, 7, 7]),
    torch.tensor([5, 9, 5, 0]),
    torch.tensor([[9, 1], [2, 5], [1, 1], [8, 9]]),
)
ITEMS = [5, 9, 5, 0, 9, 1, 2, 5, 1, 1, 8, 9]


def test_each_node_once_and_every_place_leads_back() -> None:
    nodes = distinct_nodes(BATCH)
    assert isinstance(nodes, BatchNodes)
    assert nodes.users.tolist() == [3, 7] and nodes.items.tolist() == sorted(set(ITEMS))
    assert nodes.users[nodes.user_of].tolist() == BATCH.user.tolist()
    assert nodes.items[nodes.item_of].tolist() == ITEMS


def test_in_full_tables_a_place_is_the_id() -> None:
    nodes = all_nodes(BATCH)
    assert nodes.user_of.tolist() == BATCH.user.tolist()
    assert nodes.item_of.tolist() == ITEMS
