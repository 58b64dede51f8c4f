"""The operators that backbones name."""

import torch

from mrdib_graph import graph
from mrdib_graph.backbones.messages import history_messages, item_messages
from mrdib_graph.sparse import SparseMatrix
from mrdib_graph.subgraph import Messages, Sampling


def test_messages_have_the_names_that_the_views_of_the_graph_read(tiny):
    one = SparseMatrix.from_edges(torch.tensor([0]), torch.tensor([0]), None, (1, 1))
    for name in ("user_history_mean", "item_text_cos_sym"):
        graph.set_operator(tiny, name, one)
    made = [
        history_messages(tiny, "mean", 1),
        item_messages(tiny, "text", "cos_sym", 3),
    ]
    assert made == [
        Messages("user_history_mean", one, "user", "item", 1),
        Messages("item_text_cos_sym", one, "item", "item", 3),
    ]
    assert Sampling(made).messages == made and not Sampling().all_features
