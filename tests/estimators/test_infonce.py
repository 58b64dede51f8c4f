import math

import pytest
import torch
from torch import Generator

from mrdib_graph.errors import ConfigError
from mrdib_graph.estimators import InfoNCE
from mrdib_graph.estimators.infonce import contrast
from mrdib_graph.testing.estimators import gaussian_information, gaussian_pair


def seed(value: int) -> Generator:
    return Generator().manual_seed(value)


@pytest.mark.parametrize("n", [2, 3, 17])
def test_value_is_the_formula_in_both_scalars(n):
    torch.manual_seed(0)
    estimator = InfoNCE(5, hidden_channels=6).double()
    z1, z2 = (z.double() for z in gaussian_pair(n, 5, 0.5, 0))
    critic = estimator.critic

    def f(i, j):
        return float(critic.first(z1[i]) @ critic.second(z2[j])) / math.sqrt(6)

    with torch.no_grad():
        rows = [
            math.log(math.exp(f(i, i)) / (sum(math.exp(f(i, j)) for j in range(n)) / n))
            for i in range(n)
        ]
    expected = sum(rows) / n
    assert float(estimator(z1, z2)) == pytest.approx(expected, abs=1e-12)
    assert estimator.learning_loss(z1, z2).item() == pytest.approx(-expected, abs=1e-12)


def test_contrast_by_hand():
    scores = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])
    # row 0: log(3 / 2), row 1: log(1 / 1)
    assert float(contrast(scores)) == pytest.approx(0.5 * math.log(1.5))
    assert float(contrast(torch.zeros(7, 7))) == pytest.approx(0.0, abs=1e-6)


def test_contrast_is_the_cross_entropy_of_finding_the_partner():
    scores = torch.randn(9, 9, generator=seed(0))
    entropy = torch.nn.functional.cross_entropy(scores, torch.arange(9))
    assert float(contrast(scores)) == pytest.approx(math.log(9) - float(entropy), abs=1e-6)


def train(d: int, r: float, n: int = 256, steps: int = 400) -> tuple[InfoNCE, Generator]:
    torch.manual_seed(0)
    estimator, generator = InfoNCE(d), seed(1)
    optimizer = torch.optim.Adam(estimator.parameters(), lr=5e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        estimator.learning_loss(*gaussian_pair(n, d, r, generator), generator).backward()
        optimizer.step()
    return estimator.eval(), generator


@pytest.mark.parametrize(("d", "r"), [(2, 0.0), (2, 0.5), (2, 0.8), (8, 0.5)])
def test_trained_value_approaches_the_information_from_below(d, r):
    estimator, generator = train(d, r)
    with torch.no_grad():
        draws = [estimator(*gaussian_pair(256, d, r, generator), generator) for _ in range(40)]
    values = torch.stack(draws)
    value, exact = float(values.mean()), gaussian_information(d, r)
    assert 0.85 * exact - 0.01 < value < exact + 3 * float(values.std()) / math.sqrt(40)


def test_never_above_the_logarithm_of_the_rows():
    d, r, n = 8, 0.95, 32
    assert gaussian_information(d, r) > 2 * math.log(n)
    estimator, generator = train(d, r, n)
    with torch.no_grad():
        values = [float(estimator(*gaussian_pair(n, d, r, generator))) for _ in range(40)]
    assert max(values) <= math.log(n) + 1e-5
    assert sum(values) / 40 > 0.9 * math.log(n)
    # the ceiling is that of the rows read, not of the rows given
    estimator.max_rows = 16
    with torch.no_grad():
        values = [float(estimator(*gaussian_pair(n, d, r, generator))) for _ in range(40)]
    assert max(values) <= math.log(16) + 1e-5
    assert InfoNCE(d, max_rows=2)(*gaussian_pair(500, d, r, 0)) <= math.log(2)


def test_rows_beyond_the_limit_are_left_out_the_same_ones_of_both_codes():
    torch.manual_seed(0)
    estimator, (z1, z2) = InfoNCE(4, max_rows=20), gaussian_pair(50, 4, 0.9, 0)
    z1.requires_grad_()
    z2.requires_grad_()
    value = estimator(z1, z2, seed(1))
    value.backward()
    rows = z1.grad.any(1)
    assert rows.sum() == 20 and torch.equal(rows, z2.grad.any(1))
    kept = torch.randperm(50, generator=seed(1))[:20]
    with torch.no_grad():
        assert value.item() == pytest.approx(float(estimator(z1[kept], z2[kept])), abs=1e-6)
        others = {float(estimator(z1, z2, seed(s))) for s in range(3)}
    assert len(others) == 3
    loss = estimator.learning_loss(z1, z2, seed(1))
    assert loss.item() == pytest.approx(-value.item(), abs=1e-6)


def test_memory_is_that_of_the_rows_read():
    """An [n, n] table of 300,000 rows would need 360 GB."""
    z1, z2 = gaussian_pair(300_000, 2, 0.5, 0)
    with torch.no_grad():
        assert InfoNCE(2, hidden_channels=4)(z1, z2).isfinite()


def test_large_scores_do_not_overflow():
    estimator = InfoNCE(2)
    z1, z2 = (z.mul(1e6).requires_grad_() for z in gaussian_pair(32, 2, 0.5, 0))
    loss = estimator.learning_loss(z1, z2)
    (estimator(z1, z2) + loss).backward()
    assert loss.isfinite() and z1.grad.isfinite().all() and z2.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in estimator.parameters())


def test_one_row_is_no_comparison():
    with pytest.raises(ConfigError, match="^max_rows: got 1, expected a whole number, 2 or more"):
        InfoNCE(4, max_rows=1)
