"""The ID tables that most backbones start from."""

import torch

from mrdib_graph import graph
from mrdib_graph.backbones import LightGCN
from mrdib_graph.backbones.id_graph import IDGraph
from mrdib_graph.subgraph import ALL, Messages
from mrdib_graph.testing import tiny_data


def test_item_rows_start_from_what_is_given() -> None:
    backbone = LightGCN.from_data(tiny_data(), embedding_dim=4, num_layers=1)
    assert isinstance(backbone, IDGraph)
    ready = backbone.prepare(tiny_data())
    s = graph.user_item_graph(ready).dense()
    start = torch.cat([backbone.user.weight, torch.ones(40, 4)])
    user, item = backbone.propagate_ids(ready, torch.ones(40, 4))
    torch.testing.assert_close(torch.cat([user, item]), (start + s @ start) / 2)


def test_messages_reach_as_far_as_the_layers() -> None:
    backbone = LightGCN.from_data(tiny_data(), num_layers=3)
    ready = backbone.prepare(tiny_data())
    matrix = graph.user_item_graph(ready)
    assert backbone.sampling(ready).messages == [Messages("user_item_sym", matrix, ALL, ALL, 3)]
