import itertools

import pytest
import torch
import torch.nn.functional as F
from torch_geometric.metrics import LinkPredDiversity

from mrdib_graph.metrics import Diversity


@pytest.fixture
def features():
    """Rows of length 1 of two modalities, of which item 4 lacks the second."""
    generator = torch.Generator().manual_seed(5)
    tables = [F.normalize(torch.randn(15, w, generator=generator), dim=1) for w in (7, 3)]
    tables[1][4] = 0
    return tables


@pytest.mark.parametrize("k", [1, 2, 6])
@pytest.mark.parametrize("block", [1, 2**22])
def test_equals_the_mean_over_pairs(ranking_of, with_gaps, features, k, block, monkeypatch):
    monkeypatch.setattr("mrdib_graph.metrics.diversity._CACHED", block)
    ranking = ranking_of(with_gaps, torch.ones(15), features=features)
    found = Diversity(k)(ranking)
    for user, row in enumerate(with_gaps.tolist()):
        pairs = list(itertools.combinations([i for i in row[:k] if i >= 0], 2))
        cosines = [sum(float(x[i] @ x[j]) for x in features) / 2 for i, j in pairs]
        expected = 1 - sum(cosines) / len(pairs) if pairs else 0.0
        assert found[user].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("k", [2, 6])
def test_agrees_with_pyg_on_categories(ranking_of, lists, k):
    """The cosine of one-hot rows is 1 within a category and 0 between two."""
    category = torch.arange(15) % 4
    pyg = LinkPredDiversity(k, category)
    pyg.update(lists, torch.zeros(2, 0, dtype=torch.int64))
    ranking = ranking_of(lists, torch.ones(15), features=[F.one_hot(category).float()])
    assert Diversity(k)(ranking).mean().item() == pytest.approx(pyg.compute().item(), rel=1e-6)


def test_the_ends_of_the_range(ranking_of):
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
    ranking = ranking_of(torch.tensor([[0, 1], [0, 2], [0, 3]]), torch.ones(4), features=[x])
    assert Diversity(2)(ranking).tolist() == [0.0, 2.0, 1.0]  # alike, opposite, without features
