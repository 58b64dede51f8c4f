"""Weighted sampling without replacement against exact probabilities, and the kept edges' graph."""

import itertools

import pytest
import torch
from torch import Generator, Tensor

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError
from mrdib_graph.nn import bipartite_sym, degree_sample
from mrdib_graph.testing import tiny_data
from mrdib_graph.transforms import UserItemGraph


def frequencies(weights: Tensor, n: int, draws: int) -> Tensor:
    """Share of the draws in which each index is."""
    generator = Generator().manual_seed(0)
    counts = torch.zeros(weights.numel())
    for _ in range(draws):
        counts[degree_sample(weights, n, generator)] += 1
    return counts / draws


def inclusion(weights: list[float], n: int) -> Tensor:
    """Probability of each index to be among n draws, summed over all orders of drawing."""
    total = torch.zeros(len(weights))
    for order in itertools.permutations(range(len(weights)), n):
        probability, left = 1.0, sum(weights)
        for index in order:
            probability *= weights[index] / left
            left -= weights[index]
        total[list(order)] += probability
    return total


def test_one_edge_of_the_two_by_two_graph() -> None:
    weights = torch.tensor([2.0, 4.0, 2.0]).rsqrt()  # edges (0, 0), (0, 1), (1, 1)
    share = frequencies(weights, 1, 20_000)
    # three standard errors of a share are 0.0102
    torch.testing.assert_close(share, torch.tensor([0.369, 0.261, 0.369]), atol=0.011, rtol=0)


@pytest.mark.parametrize("n", [2, 3])
def test_several_edges(n: int) -> None:
    weights = [0.1, 1.0, 2.0, 4.0, 0.5]
    share = frequencies(torch.tensor(weights), n, 8_000)
    torch.testing.assert_close(share, inclusion(weights, n), atol=0.017, rtol=0)


def test_indices_are_distinct_and_in_order() -> None:
    weights = torch.rand(1000, generator=Generator().manual_seed(1))
    for n in (0, 1, 400, 1000):
        index = degree_sample(weights, n, Generator().manual_seed(n))
        assert index.shape == (n,) and index.dtype == torch.int64
        assert bool((index.diff() > 0).all())


def test_the_generator_decides() -> None:
    weights = torch.ones(1000)
    one, two, other = (
        degree_sample(weights, 300, Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(one, two) and not torch.equal(one, other)


def test_weight_zero_is_never_drawn() -> None:
    weights = torch.tensor([0.0, 1e-6, 0.0, 5.0])
    for seed in range(50):
        index = degree_sample(weights, 2, Generator().manual_seed(seed))
        assert index.tolist() == [1, 3]


@pytest.mark.slow
def test_more_than_two_to_the_24_edges() -> None:
    size = 2**24 + 8
    weights = torch.ones(size)
    weights[-8:] = 1e9  # always drawn
    index = degree_sample(weights, 1000, Generator().manual_seed(0))
    assert index[-8:].tolist() == list(range(size - 8, size))
    assert 0.4 < float(index[:-8].double().mean()) / size < 0.6


@pytest.mark.parametrize(
    ("weights", "n", "message"),
    [
        ([1.0, -1.0], 1, "weights: got a negative"),
        ([1.0, float("inf")], 1, "weights: got a negative or non-finite"),
        ([1.0, 0.0], 2, "n: got 2 draws from 1 positive weights"),
        ([1.0, 1.0], -1, "n: got -1 draws from 2"),
    ],
)
def test_refuses(weights: list[float], n: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        degree_sample(torch.tensor(weights), n, Generator())


def test_graph_of_all_edges_is_the_user_item_graph() -> None:
    data = tiny_data()
    expected = graph.user_item_graph(UserItemGraph("sym")(data), "sym")
    user, item = graph.interactions(data, "train")
    order = torch.randperm(user.numel(), generator=Generator().manual_seed(0))
    made = bipartite_sym(user[order], item[order], 30, 40)
    for name in ("crow", "col", "value"):
        assert torch.equal(getattr(made, name), getattr(expected, name))
    assert made.symmetric and made.shape == expected.shape


def test_kept_edges_are_renormalised() -> None:
    user, item = torch.tensor([0, 0, 2]), torch.tensor([1, 2, 3])
    dense = bipartite_sym(user, item, 3, 4).dense()
    expected = torch.zeros(7, 7)
    expected[0, 3 + 1] = expected[0, 3 + 2] = 2**-0.5  # a user of two edges, items of one
    expected[2, 3 + 3] = 1.0  # the only edge of both its ends
    torch.testing.assert_close(dense, expected + expected.T)


def test_no_edges() -> None:
    none = torch.empty(0, dtype=torch.int64)
    made = bipartite_sym(none, none, 2, 3)
    assert made.nnz == 0
    assert torch.equal(made @ torch.ones(5, 2), torch.zeros(5, 2))
