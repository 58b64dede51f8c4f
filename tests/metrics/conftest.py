from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mrdib_graph.metrics import Catalogue, Ranking

RankingOf = Callable[..., Ranking]


def build(lists: Tensor, popularity: Tensor | None = None, **options: object) -> Ranking:
    num_items = int(lists.max()) + 1 if popularity is None else popularity.numel()
    count = torch.ones(num_items, dtype=torch.int64) if popularity is None else popularity
    num_users = int(options.get("num_users", 100))
    catalogue = Catalogue(num_users, count, options.get("features"))
    hits = torch.zeros(lists.shape, dtype=torch.bool)
    positives = torch.ones(len(lists), dtype=torch.int64)
    return Ranking(hits, positives, num_items, catalogue, lists)


@pytest.fixture
def ranking_of() -> RankingOf:
    """Lists [n, K], popularity [I], ``num_users`` and ``features`` to a ranking without hits."""
    return build


@pytest.fixture
def lists() -> Tensor:
    """Lists [25, 6] of different items among 15."""
    generator = torch.Generator().manual_seed(3)
    return torch.stack([torch.randperm(15, generator=generator)[:6] for _ in range(25)])


@pytest.fixture
def with_gaps(lists: Tensor) -> Tensor:
    """The same, but the lists end early: of user u after u places."""
    places = torch.arange(6)
    return lists.masked_fill(places >= torch.arange(25).unsqueeze(1), -1)
