"""Random graphs for timings."""

import pytest
import torch

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError
from mrdib_graph.testing.random_graph import SHAPES, Shape, random_graph


@pytest.mark.parametrize("sizes", [(50, 40, 300), (300, 200, 3_000)])
def test_counts_are_exact_and_pairs_distinct(sizes: tuple[int, ...]) -> None:
    shape = Shape(*sizes)
    data = random_graph(shape, {"image": 6, "text": 3})
    graph.validate(data)
    user, item = graph.interactions(data)
    train_user, _ = graph.interactions(data, "train")
    assert train_user.numel() == shape.pairs
    assert torch.unique(user * shape.items + item).numel() == user.numel()
    assert int(train_user.bincount(minlength=shape.users).min()) >= 1
    assert graph.item_features(data, "image")[0].shape == (shape.items, 6)


def test_degrees_have_a_long_tail() -> None:
    shape = SHAPES["tiny"]
    data = random_graph(shape, {"image": 2})
    degree = graph.interactions(data, "train")[1].bincount()
    assert int(degree.max()) > 3 * shape.pairs / shape.items


def test_the_seed_decides() -> None:
    tiny = SHAPES["tiny"]
    first, second, other = (random_graph(tiny, {"a": 2}, seed=s) for s in (1, 1, 2))
    assert torch.equal(graph.interactions(first), graph.interactions(second))
    assert torch.equal(first["a"].x, second["a"].x)
    assert not torch.equal(graph.interactions(first), graph.interactions(other))


@pytest.mark.parametrize("sizes", [(4, 1, 25), (40, 50, 39), (10, 10, 91)])
def test_sizes_that_no_graph_has_are_refused(sizes: tuple[int, ...]) -> None:
    users, items, pairs = sizes
    message = f"pairs: got {pairs} for {users} users and {items} items, expected {users} to "
    with pytest.raises(ConfigError, match=message):
        random_graph(Shape(*sizes), {"a": 2})
