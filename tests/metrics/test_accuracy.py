import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.metrics import (
    LinkPredHitRatio,
    LinkPredMAP,
    LinkPredMRR,
    LinkPredNDCG,
    LinkPredPrecision,
    LinkPredRecall,
)

from mrdib_graph.metrics import (
    MAP,
    MRR,
    NDCG,
    Catalogue,
    HitRate,
    Metric,
    Precision,
    Ranking,
    Recall,
)

PYG: dict[type[Metric], type] = {
    Recall: LinkPredRecall,
    NDCG: LinkPredNDCG,
    Precision: LinkPredPrecision,
    MAP: LinkPredMAP,
    HitRate: LinkPredHitRatio,
    MRR: LinkPredMRR,
}
NAMES = {metric.label(): metric for metric in PYG}


def values(metric: Metric, hits: Tensor, num_positives: Tensor) -> Tensor:
    return metric(Ranking(hits, num_positives, 100, Catalogue(1, torch.ones(100))))


def slow(metric: str, hits: list[bool], m: int, k: int) -> float:
    """The formulas, one user and one rank at a time."""
    if metric in ("hit_rate", "mrr"):
        ranks = [j for j, hit in enumerate(hits[:k], 1) if hit]
        return 0.0 if not ranks else 1.0 if metric == "hit_rate" else 1 / ranks[0]
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


@pytest.mark.parametrize("metric", NAMES)
@pytest.mark.parametrize("k", [1, 2, 5, 12, 30])
def test_equals_the_formula(metric: str, k: int) -> None:
    hits, num_positives = random_hits(k)
    value = values(NAMES[metric](k), hits, num_positives)
    expected = [
        slow(metric, h, m, k) for h, m in zip(hits.tolist(), num_positives.tolist(), strict=True)
    ]
    assert value.dtype == torch.float64
    torch.testing.assert_close(value, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("metric", PYG)
@pytest.mark.parametrize("k", [1, 3, 10])
def test_agrees_with_pyg(metric: type[Metric], k: int) -> None:
    """All six definitions agree, the normalisation of MAP by min(k, m) included."""
    generator = torch.Generator().manual_seed(7)
    ranking = torch.stack([torch.randperm(15, generator=generator) for _ in range(25)])
    relevant = torch.rand(25, 15, generator=generator) < 0.25
    relevant[:, 4] = True
    relevant[5] = torch.arange(15) == ranking[5, -1]  # none within k
    relevant[3] = True  # more positives than k
    pyg = PYG[metric](k)
    pyg.update(ranking[:, :k], relevant.nonzero().t())
    value = values(metric(k), relevant.gather(1, ranking), relevant.sum(1)).mean()
    assert float(value) == pytest.approx(float(pyg.compute()), abs=1e-6)


def test_by_hand() -> None:
    """Hits at ranks 2 and 3 of 3 positives."""
    hits, m = torch.tensor([[False, True, True, False]]), torch.tensor([3])
    assert values(Recall(4), hits, m).item() == pytest.approx(2 / 3)
    assert values(Precision(4), hits, m).item() == pytest.approx(1 / 2)
    assert values(MAP(4), hits, m).item() == pytest.approx((1 / 2 + 2 / 3) / 3)
    assert values(MAP(2), hits, m).item() == pytest.approx(1 / 4)
    gain, ideal = 1 / math.log2(3) + 1 / 2, 1 + 1 / math.log2(3) + 1 / 2
    assert values(NDCG(4), hits, m).item() == pytest.approx(gain / ideal)
    assert [values(HitRate(k), hits, m).item() for k in (1, 2, 4)] == [0.0, 1.0, 1.0]
    assert [values(MRR(k), hits, m).item() for k in (1, 2, 4)] == [0.0, 0.5, 0.5]


def test_cutoff_beyond_the_ranking_divides_by_the_cutoff() -> None:
    hits, m = torch.tensor([[True, True]]), torch.tensor([2])
    assert values(Precision(10), hits, m).item() == pytest.approx(0.2)
    assert values(NDCG(10), hits, m).item() == pytest.approx(1.0)


@given(st.integers(0, 10_000), st.sampled_from(sorted(NAMES)), st.integers(1, 15))
def test_between_zero_and_one(seed: int, metric: str, k: int) -> None:
    hits, num_positives = random_hits(seed, rows=8)
    value = values(NAMES[metric](k), hits, num_positives)
    assert bool(((value >= 0) & (value <= 1 + 1e-12)).all())
    assert value[0] == 0
