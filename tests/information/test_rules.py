import math

import pytest
import torch

from mrdib_graph.information.pid import broja
from mrdib_graph.information.rules import binned_split, redundant, total_correlation


def one(*values):
    return [torch.tensor([v], dtype=torch.float64) for v in values]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("union", 0.3), ("gaussian", 0.3), ("mmi", 0.5), ("dependency", 0.2)],
)
def test_redundant_by_hand(rule, expected):
    i1, i2, i12, additive, overlap = one(1.0, 0.5, 1.4, 1.3, 0.2)
    assert float(redundant(rule, i1, i2, i12, additive, overlap)) == pytest.approx(expected)


def test_redundant_stays_within_its_bounds():
    i1, i2, i12, additive, overlap = one(1.0, 0.5, 1.1, 9.0, 0.0)
    assert float(redundant("union", i1, i2, i12, additive, overlap)) == pytest.approx(0.4)
    assert float(redundant("dependency", i1, i2, i12, additive, overlap)) == pytest.approx(0.4)
    assert float(redundant("union", i1, i2, i12, additive, overlap + 0.9)) == pytest.approx(0.5)


def test_total_correlation_of_gaussians(generator):
    a = torch.randn(200_000, generator=generator, dtype=torch.float64)
    b = 0.6 * a + 0.8 * torch.randn(200_000, generator=generator, dtype=torch.float64)
    expected = -0.5 * math.log2(1 - 0.36)
    assert total_correlation([a, b]) == pytest.approx(expected, abs=0.01)
    assert total_correlation([a, b, torch.zeros_like(a)]) == pytest.approx(expected, abs=0.01)
    assert total_correlation([a]) == 0
    assert 15 < total_correlation([a, a]) < 25


def test_binned_split_of_binary_scores(generator):
    """Scores of -1, 0 or 1 fall in three bins: the table of nine cells is known."""
    n = 4000
    first = torch.randint(0, 2, (n, 3), generator=generator).double()
    second = torch.randint(0, 2, (n, 3), generator=generator).double()
    first[: n // 2, 0] = 1
    table = torch.zeros(3, 3, 2, dtype=torch.float64)
    for j in (1, 2):
        lead = [(s[:, 0] - s[:, j]).long() for s in (first, second)]
        for a, b in zip(*(x.tolist() for x in lead), strict=True):
            table[a + 1, b + 1, 1] += 1
            table[1 - a, 1 - b, 0] += 1
    found = binned_split(first, second)
    assert found.parts == pytest.approx(broja(table).parts, abs=1e-3)
    assert found.total > 0.05


def test_binned_split_weights_count_as_repetition(generator):
    first = torch.randn(600, 3, generator=generator, dtype=torch.float64)
    second = torch.randn(600, 3, generator=generator, dtype=torch.float64)
    first[:, 0] += 1
    weight = torch.zeros(600)
    weight[:300] = 1
    weighted = binned_split(first, second, weight)
    assert weighted.total == pytest.approx(binned_split(first[:300], second[:300]).total, abs=0.03)
