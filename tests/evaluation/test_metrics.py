import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.metrics import (
    LinkPredMAP,
    LinkPredNDCG,
    LinkPredPrecision,
    LinkPredRecall,
)

from mrdib_graph.evaluation import metrics

PYG = {
    "recall": LinkPredRecall,
    "ndcg": LinkPredNDCG,
    "precision": LinkPredPrecision,
    "map": LinkPredMAP,
}


def slow(metric: str, hits: list[bool], m: int, k: int) -> float:
    """The formulas, one user and one rank at a time."""
    total = 0.0
    for j in range(1, min(k, len(hits)) + 1):
        if not hits[j - 1]:
            continue
        if metric in ("recall", "precision"):
            total += 1
        elif metric == "ndcg":
            total += 1 / math.log2(j + 1)
        else:
            total += sum(hits[:j]) / j
    if metric == "recall":
        return total / m
    if metric == "precision":
        return total / k
    if metric == "ndcg":
        return total / sum(1 / math.log2(j + 1) for j in range(1, min(k, m) + 1))
    return total / min(k, m)


def random_hits(seed: int, rows: int = 40, width: int = 12) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    hits = torch.rand(rows, width, generator=generator) < 0.3
    hits[0] = False
    hits[1] = True
    extra = torch.randint(0, 9, (rows,), generator=generator)
    return hits, (hits.sum(1) + extra).clamp(min=1)


@pytest.mark.parametrize("metric", metrics.METRICS)
@pytest.mark.parametrize("k", [1, 2, 5, 12])
def test_equals_the_formula(metric: str, k: int) -> None:
    hits, num_positives = random_hits(k)
    value = metrics.METRICS[metric](hits, num_positives, k)
    expected = [
        slow(metric, h, m, k) for h, m in zip(hits.tolist(), num_positives.tolist(), strict=True)
    ]
    assert value.dtype == torch.float64
    torch.testing.assert_close(value, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("metric", metrics.METRICS)
@pytest.mark.parametrize("k", [1, 3, 10])
def test_agrees_with_pyg(metric: str, k: int) -> None:
    """All four definitions agree, the normalisation of MAP by min(k, m) included."""
    generator = torch.Generator().manual_seed(7)
    ranking = torch.stack([torch.randperm(15, generator=generator) for _ in range(25)])
    relevant = torch.rand(25, 15, generator=generator) < 0.25
    relevant[:, 4] = True
    relevant[3] = True  # more positives than k
    pyg = PYG[metric](k)
    pyg.update(ranking[:, :k], relevant.nonzero().t())
    value = metrics.METRICS[metric](relevant.gather(1, ranking), relevant.sum(1), k).mean()
    assert float(value) == pytest.approx(float(pyg.compute()), abs=1e-6)


def test_by_hand() -> None:
    """Hits at ranks 1 and 3 of 3 positives."""
    hits, m = torch.tensor([[True, False, True, False]]), torch.tensor([3])
    values = metrics.compute(hits, m, ["recall@4", "precision@4", "map@4", "ndcg@4", "map@2"])
    assert values["recall@4"].item() == pytest.approx(2 / 3)
    assert values["precision@4"].item() == pytest.approx(1 / 2)
    assert values["map@4"].item() == pytest.approx((1 + 2 / 3) / 3)
    assert values["map@2"].item() == pytest.approx(1 / 2)
    assert values["ndcg@4"].item() == pytest.approx(1.5 / (1.5 + 1 / math.log2(3)))


def test_cutoff_beyond_the_ranking_divides_by_the_cutoff() -> None:
    hits, m = torch.tensor([[True, True]]), torch.tensor([2])
    assert metrics.precision(hits, m, 10).item() == pytest.approx(0.2)
    assert metrics.ndcg(hits, m, 10).item() == pytest.approx(1.0)


@given(st.integers(0, 10_000), st.sampled_from(sorted(metrics.METRICS)), st.integers(1, 15))
def test_between_zero_and_one(seed: int, metric: str, k: int) -> None:
    hits, num_positives = random_hits(seed, rows=8)
    value = metrics.METRICS[metric](hits, num_positives, k)
    assert bool(((value >= 0) & (value <= 1 + 1e-12)).all())
    assert value[0] == 0


def test_names() -> None:
    names = metrics.metric_names(["recall", "map"], [5, 10])
    assert names == ["recall@5", "recall@10", "map@5", "map@10"]
