from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph.baselines import ItemKNN
from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import Evaluator

Make = Callable[[int], tuple[HeteroData, Tensor]]


def brute_force(x: Tensor, k: int, shrink: float) -> Tensor:
    """Scores [U, I], one pair of items at a time; ties by lower item id."""
    items = x.size(1)
    scores = torch.zeros_like(x)
    for i in range(items):
        similar = []
        for j in range(items):
            shared = float((x[:, i] * x[:, j]).sum())
            if j != i and shared:
                norm = (float(x[:, i].sum()) * float(x[:, j].sum())) ** 0.5
                similar.append((-shared / (norm + shrink), j))
        for negative, j in sorted(similar)[:k]:
            scores[:, i] -= negative * x[:, j]
    return scores


@pytest.mark.parametrize(("k", "shrink"), [(1, 0.0), (3, 0.0), (3, 5.0), (100, 1.0)])
@pytest.mark.parametrize("block_size", [1, 5, 2048])
def test_equals_brute_force(graph_and_matrix: Make, k: int, shrink: float, block_size: int) -> None:
    data, dense = graph_and_matrix(0)
    baseline = ItemKNN(k=k, shrink=shrink, block_size=block_size).fit(data)
    scores = baseline.score(torch.arange(30))
    torch.testing.assert_close(scores, brute_force(dense, k, shrink).float())


def test_equal_neighbours_order_by_item_id() -> None:
    """Items 1, 2, 3 are equally similar to item 0; with k = 1 only item 1 is its neighbour."""
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 3, 4
    store = data["user", "interacts", "item"]
    store.edge_index = torch.tensor([[0, 0, 1, 1, 2, 2], [0, 3, 0, 2, 0, 1]])
    store.train_mask = torch.ones(6, dtype=torch.bool)
    store.val_mask = store.test_mask = ~store.train_mask
    scores = ItemKNN(k=1).fit(data).score(torch.arange(3))
    torch.testing.assert_close(scores[:, 0], torch.tensor([0.0, 0.0, 3**-0.5]))


@pytest.mark.shared
def test_beats_popularity_on_lastfm2k(lastfm2k: HeteroData) -> None:
    result = Evaluator(lastfm2k).evaluate_scores(ItemKNN().fit(lastfm2k).score)
    assert result.mean["recall@20"] == pytest.approx(0.3973, abs=2e-3)  # popularity: 0.1229


@pytest.mark.parametrize("options", [{"k": 0}, {"shrink": -1.0}, {"block_size": 0}])
def test_refuses(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(options))}: got"):
        ItemKNN(**options)
