import math

import pytest
import torch
from torch_geometric.metrics import LinkPredAveragePopularity

from mrdib_graph.metrics import ColdExposure, Novelty, Popularity

COUNTS = torch.tensor([0, 1, 2, 4, 8, 16, 32, 64, 100, 3, 0, 7, 9, 50, 5])


@pytest.mark.parametrize("k", [1, 3, 6])
def test_equal_a_slow_loop(ranking_of, with_gaps, k):
    ranking = ranking_of(with_gaps, COUNTS)
    novelty, popularity, cold = (m(k)(ranking) for m in (Novelty, Popularity, ColdExposure))
    for user, row in enumerate(with_gaps.tolist()):
        counts = [COUNTS[i].item() for i in row[:k] if i >= 0]
        places = max(len(counts), 1)
        bits = sum(-math.log2(max(c, 1) / 100) for c in counts) / places
        assert novelty[user].item() == pytest.approx(bits, abs=1e-12)
        assert popularity[user].item() == pytest.approx(sum(counts) / places)
        assert cold[user].item() == pytest.approx(sum(c == 0 for c in counts) / places)


@pytest.mark.parametrize("k", [1, 3, 6])
def test_popularity_agrees_with_pyg(ranking_of, lists, k):
    pyg = LinkPredAveragePopularity(k, COUNTS)
    pyg.update(lists, torch.zeros(2, 0, dtype=torch.int64))
    mean = Popularity(k)(ranking_of(lists, COUNTS)).mean()
    assert mean.item() == pytest.approx(pyg.compute().item(), rel=1e-6)


def test_the_ends_of_the_ranges(ranking_of):
    everybodys, nobodys = torch.tensor([[8]]), torch.tensor([[0]])
    assert Novelty(1)(ranking_of(everybodys, COUNTS)).tolist() == [0.0]
    assert Novelty(1)(ranking_of(nobodys, COUNTS)).tolist() == [pytest.approx(math.log2(100))]
    assert ColdExposure(1)(ranking_of(nobodys, COUNTS)).tolist() == [1.0]
    assert ColdExposure(1)(ranking_of(everybodys, COUNTS)).tolist() == [0.0]
