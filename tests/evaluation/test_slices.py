from collections.abc import Callable

import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.evaluation import (
    Evaluator,
    EvaluatorConfig,
    MetricResult,
    by_slice,
    cold_items,
    item_slices,
    slice_metrics,
    user_slices,
)

GraphOf = Callable[..., HeteroData]


@pytest.fixture
def small(graph_of: GraphOf) -> HeteroData:
    """Training counts of items 0 to 4: 3, 1, 1, 1, 0; of users 0 to 2: 2, 3, 1."""
    edges = [(0, 0), (0, 1), (1, 0), (1, 2), (1, 3), (2, 0), (0, 4), (0, 2), (1, 1), (2, 1)]
    label = torch.tensor([0] * 6 + [2] * 4)
    return graph_of(torch.tensor(edges).t().contiguous(), label, 3, 5)


@pytest.fixture
def result(small: HeteroData) -> MetricResult:
    """Everybody ranks the items 0 to 4 in this order."""
    evaluator = Evaluator(small, EvaluatorConfig(cutoffs=(1, 2), metrics=("recall", "ndcg")))
    return evaluator.evaluate_scores(lambda users: -torch.arange(5.0).expand(users.numel(), 5))


def test_item_slices_are_a_partition(small: HeteroData) -> None:
    masks = item_slices(small, head_share=0.5)
    assert masks["head"].tolist() == [True, True, False, False, False]
    assert masks["tail"].tolist() == [False, False, True, True, False]
    assert masks["cold"].tolist() == [False, False, False, False, True]
    # the share is that of the four items with a training row: 1.2 of them, and not 1.5
    assert item_slices(small, head_share=0.3)["head"].tolist() == [True, *[False] * 4]


def test_cold_items_are_new_in_that_part(graph_of: GraphOf) -> None:
    """Items 0 trained; 1 trained and tested; 2 tested; 3 in validation; 4 never."""
    edges = torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 2, 3]])
    data = graph_of(edges, torch.tensor([0, 0, 2, 2, 1]), 2, 5)
    assert cold_items(data).tolist() == [False, False, True, False, False]
    assert cold_items(data, "val").tolist() == [False, False, False, True, False]
    with pytest.raises(ConfigError, match="split: got 'train', expected val or test"):
        cold_items(data, "train")


def test_user_slices(small: HeteroData) -> None:
    masks = user_slices(small, bounds=(2, 3))
    assert {name: mask.tolist() for name, mask in masks.items()} == {
        "history 1": [False, False, True],
        "history 2": [True, False, False],
        "history 3+": [False, True, False],
    }
    assert list(user_slices(small)) == [
        "history 1-4",
        "history 5-9",
        "history 10-19",
        "history 20+",
    ]


def test_slices_by_hand(small: HeteroData, result: MetricResult) -> None:
    assert result.per_user["recall@1"].tolist() == [0.5, 1.0, 1.0]
    cold = slice_metrics(result, items=item_slices(small, 0.5)["cold"])
    assert (cold.users.tolist(), cold.mean["recall@1"], cold.mean["recall@2"]) == ([0], 0.0, 0.0)
    head = slice_metrics(result, items=item_slices(small, 0.5)["head"])
    assert (head.users.tolist(), head.mean["recall@1"]) == ([1, 2], 1.0)
    both = slice_metrics(
        result,
        users=torch.tensor([True, False, False]),
        items=torch.tensor([False, False, True, True, False]),
    )
    assert (both.users.tolist(), both.mean["recall@1"]) == ([0], 1.0)


def test_the_whole_is_a_slice(random_graph: GraphOf) -> None:
    data = random_graph(0)
    scores = torch.rand(20, 30, generator=torch.Generator().manual_seed(0))
    result = Evaluator(data).evaluate_scores(lambda users: scores[users])
    everything = slice_metrics(result, torch.ones(20).bool(), torch.ones(30).bool())
    assert everything.mean == result.mean
    chosen = torch.arange(20) < 9
    part = slice_metrics(result, users=chosen)
    for name, values in result.per_user.items():
        assert torch.equal(part.per_user[name], values[chosen[result.users]])


def test_by_slice_names_what_holds_a_positive(small: HeteroData, result: MetricResult) -> None:
    results = by_slice(result, small)
    assert set(results) == {"head", "tail", "cold", "history 1-4"} - {"head"}
    assert results["history 1-4"].mean == result.mean
    assert int(graph.interactions(small, "test").size(1)) == sum(
        results[name].ranks.numel() for name in ("tail", "cold")
    )


def test_refusals(small: HeteroData, result: MetricResult) -> None:
    with pytest.raises(DataError, match="no positive of the test split"):
        slice_metrics(result, items=torch.tensor([True, False, False, False, False]))
    with pytest.raises(ConfigError, match="items: got a tensor of torch.int64"):
        slice_metrics(result, items=torch.arange(5))
    with pytest.raises(ConfigError, match="head_share"):
        item_slices(small, 1.5)
    for bounds in ((1, 5), (5, 5), (10, 5)):
        with pytest.raises(ConfigError, match="bounds"):
            user_slices(small, bounds)


EVERY = ("recall", "auc", "mrr", "novelty", "popularity", "cold_exposure", "coverage", "gini")


def test_every_metric_of_a_slice_is_that_of_its_users(random_graph: GraphOf) -> None:
    """Slices of users equal an evaluation of those users alone, per user and together."""
    data = random_graph(4)
    scores = torch.rand(20, 30, generator=torch.Generator().manual_seed(1))
    config = EvaluatorConfig((3, 8), (*EVERY, "personalisation"))
    evaluator = Evaluator(data, config)
    chosen = torch.arange(20) % 3 == 0
    whole = evaluator.evaluate_scores(lambda users: scores[users])
    part = slice_metrics(whole, users=chosen)
    alone = evaluator.evaluate_scores(
        lambda users: scores[users], user_ids=chosen.nonzero().squeeze(1)
    )
    assert part.values == alone.values and part.of_set != whole.of_set
    assert all(torch.equal(part.per_user[n], values) for n, values in alone.per_user.items())


def test_lists_of_a_slice_of_items_are_whole(random_graph: GraphOf) -> None:
    """Only hits and scores depend on which positives count."""
    data = random_graph(4)
    scores = torch.rand(20, 30, generator=torch.Generator().manual_seed(1))
    evaluator = Evaluator(data, EvaluatorConfig((3, 8), ("recall", "novelty", "coverage")))
    whole = evaluator.evaluate_scores(lambda users: scores[users])
    part = slice_metrics(whole, items=torch.arange(30) < 8)
    kept = torch.isin(whole.users, part.users)
    assert 0 < int(kept.sum()) < len(whole.users)
    assert torch.equal(part.per_user["novelty@8"], whole.per_user["novelty@8"][kept])
    assert set(by_slice(whole, data)["tail"].of_set) == {"coverage@3", "coverage@8"}
