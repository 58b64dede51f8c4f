"""A public check for anybody's metric."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from mrdib_graph import graph
from mrdib_graph.evaluation import Evaluator, EvaluatorConfig, MetricResult
from mrdib_graph.metrics import Metric, Ranking
from mrdib_graph.testing.tiny_data import tiny_data

_CUTOFFS = (1, 3, 8, 100)  # 100: more places than there are items


def check_metric(metric_class: type[Metric]) -> None:
    """Check that a metric keeps the contract of :class:`~mrdib_graph.metrics.Metric`.

    On a small graph, with random scores, with many equal ones, with few candidates and with scores
    that leave places empty: a finite float64 value for each user, or one of all users together,
    within ``limits``.  The users' order changes no user's value, nor that of all; a user alone has
    the value that they have among others; and blocks of any size give the same.  A metric of the
    hits or of the scores alone is nowhere better than for scores that put every held-out item
    first, and worse for those that put them last; which is better says ``greater_is_better``.
    Takes about a fifth of a second.

    Args:
        metric_class: The class to check.

    Raises:
        AssertionError: A check fails; the message says which and shows the values.
    """
    for result in _results(metric_class):
        ranking = result.ranking
        for metric in result.metrics:
            value = metric(ranking)
            what = f"{metric.name}: with {len(result.users)} users"
            low, high = metric_class.limits
            assert bool((value >= low - 1e-6).all() and (value <= high + 1e-6).all()), (
                f"{what}: {value.min():.6f} to {value.max():.6f} is not within {low} to {high}"
            )
            _check_order(metric, ranking, value)
    _check_blocks(metric_class)
    if metric_class.greater_is_better is not None and "lists" not in metric_class.reads:
        _check_extremes(metric_class)


def _results(metric_class: type[Metric]) -> Iterator[MetricResult]:
    """Evaluations of a metric under scores of several kinds."""
    data = tiny_data()
    evaluator = Evaluator(data, EvaluatorConfig(_CUTOFFS, (metric_class,)))
    scores = _scores()
    few = torch.zeros(scores.size(1), dtype=torch.bool)
    few[graph.interactions(data, "test")[1][:3]] = True
    gaps = scores.masked_fill(scores < 0.5, -torch.inf)
    yield evaluator.evaluate_scores(lambda users: scores[users])
    yield evaluator.evaluate_scores(lambda users: (4 * scores[users]).round())
    yield evaluator.evaluate_scores(lambda users: scores[users], candidates=few)
    yield evaluator.evaluate_scores(lambda users: gaps[users])
    yield evaluator.evaluate_scores(lambda users: scores[users], user_ids=torch.tensor([3]))


def _check_order(metric: Metric, ranking: Ranking, value: Tensor) -> None:
    """Turn the users round, and take each alone."""
    users = torch.arange(ranking.hits.size(0))
    turned = metric(ranking[users.flip(0)])
    expected = value if metric.of_set else value.flip(0)
    assert _same(turned, expected), (
        f"{metric.name}: the order of the users changes it from {expected} to {turned}"
    )
    if not metric.of_set:
        alone = torch.cat([metric(ranking[users[u : u + 1]]) for u in users])
        assert _same(alone, value), (
            f"{metric.name}: users alone have {alone}, and {value} among others"
        )


def _check_blocks(metric_class: type[Metric]) -> None:
    data = tiny_data()
    scores = _scores()
    found = {}
    for size in (1, 7, 1000):
        evaluator = Evaluator(data, EvaluatorConfig(_CUTOFFS, (metric_class,), batch_size=size))
        found[size] = evaluator.evaluate_scores(lambda users: scores[users]).values
    assert found[1] == found[7] == found[1000], (
        f"{metric_class.label()}: blocks of 1, 7 and 1000 users give {found}"
    )


def _check_extremes(metric_class: type[Metric]) -> None:
    """Held-out items first, at random and last."""
    data = tiny_data()
    scores = _scores()
    held = torch.zeros_like(scores)
    held[tuple(graph.interactions(data, "test"))] = 2.0
    evaluator = Evaluator(data, EvaluatorConfig((1, 3, 8), (metric_class,)))
    tables = (scores + held, scores, scores - held)
    results = [evaluator.evaluate_scores(table.__getitem__) for table in tables]
    sign = 1 if metric_class.greater_is_better else -1
    for metric in evaluator.metrics:
        first, between, last = (sign * metric(result.ranking) for result in results)
        assert bool((first >= between - 1e-9).all() and (between >= last - 1e-9).all()), (
            f"{metric.name}: held-out items first give {sign * first}, at random "
            f"{sign * between}, last {sign * last}: not from better to worse"
        )
        assert bool(first.mean() > last.mean()), (
            f"{metric.name}: held-out items first or last make no difference: {sign * first}"
        )


def _scores() -> Tensor:
    """Of every user and item of the graph [U, I]."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(30, 40, generator=generator)


def _same(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=0, atol=1e-12)
