from collections.abc import Callable

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph.baselines import Popularity


def test_counts_for_everybody(
    graph_and_matrix: Callable[[int], tuple[HeteroData, Tensor]],
) -> None:
    data, dense = graph_and_matrix(0)
    scores = Popularity().fit(data).score(torch.tensor([4, 0]))
    assert torch.equal(scores.double(), dense.sum(0).expand(2, -1))
