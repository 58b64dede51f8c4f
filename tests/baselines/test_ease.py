from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph.baselines import EASE
from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import Evaluator

Make = Callable[[int], tuple[HeteroData, Tensor]]


@pytest.mark.parametrize("l2_weight", [0.5, 20.0])
def test_equals_a_solver_column_by_column(graph_and_matrix: Make, l2_weight: float) -> None:
    """Each column of B is a ridge regression on all other items."""
    data, dense = graph_and_matrix(0)
    x = dense.numpy()
    weights = np.zeros((12, 12))
    for j in range(12):
        others = [i for i in range(12) if i != j]
        a = x[:, others]
        gram = a.T @ a + l2_weight * np.eye(11)
        weights[others, j] = np.linalg.solve(gram, a.T @ x[:, j])
    scores = EASE(l2_weight=l2_weight).fit(data).score(torch.arange(30))
    torch.testing.assert_close(scores.double(), torch.from_numpy(x @ weights), atol=1e-6, rtol=1e-5)


@pytest.mark.shared
def test_lastfm2k(lastfm2k: HeteroData) -> None:
    result = Evaluator(lastfm2k).evaluate_scores(EASE(l2_weight=100.0).fit(lastfm2k).score)
    expected = {
        "recall@5": 0.1734,
        "recall@10": 0.2693,
        "recall@20": 0.3955,
        "ndcg@20": 0.2711,
        "map@5": 0.1073,
    }
    for name, value in expected.items():
        assert result.mean[name] == pytest.approx(value, abs=6e-5)


def test_refuses(graph_and_matrix: Make) -> None:
    with pytest.raises(ConfigError, match="the graph has 12 items, more than max_items=11"):
        EASE(max_items=11).fit(graph_and_matrix(0)[0])
    with pytest.raises(ConfigError, match="l2_weight: got 0"):
        EASE(l2_weight=0)
    with pytest.raises(ConfigError, match="max_items: got 0"):
        EASE(max_items=0)
