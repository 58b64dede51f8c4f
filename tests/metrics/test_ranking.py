import pytest
import torch

from mrdib_graph.errors import ConfigError
from mrdib_graph.metrics import Catalogue, Ranking


def test_says_what_was_not_kept():
    hits = torch.zeros(2, 3, dtype=torch.bool)
    ranking = Ranking(hits, torch.ones(2), 5, Catalogue(2, torch.ones(5)))
    with pytest.raises(ConfigError, match=r'lists were not kept.*reads = \("lists",\)'):
        _ = ranking.lists
    with pytest.raises(ConfigError, match=r'scores were not kept.*reads = \("scores",\)'):
        _ = ranking.share_below
    with pytest.raises(ConfigError, match=r'features were not kept.*reads = \("features",\)'):
        _ = ranking.features


def test_counts_and_means_of_filled_places(ranking_of):
    ranking = ranking_of(torch.tensor([[1, 0, 2], [1, -1, -1], [-1, -1, -1]]), torch.ones(4))
    assert ranking.counts(2).tolist() == [1, 2, 0, 0]
    value = torch.tensor([1.0, 3.0, 100.0, 100.0])
    assert ranking.mean_over_list(value, 2).tolist() == [2.0, 3.0, 0.0]


def test_some_users(ranking_of):
    ranking = ranking_of(torch.tensor([[1, 0], [2, 3]]), torch.ones(4))
    assert ranking[torch.tensor([1])].lists.tolist() == [[2, 3]]
    assert ranking[torch.tensor([1, 0])].hits.shape == (2, 2)
