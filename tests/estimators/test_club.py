import math

import pytest
import torch
from torch import Generator, Tensor
from torch.distributions import Normal

from mrdib_graph.estimators import CLUB
from mrdib_graph.testing.estimators import gaussian_information, gaussian_pair


def all_pairs_loop(estimator: CLUB, z1: Tensor, z2: Tensor) -> float:
    """The bound as written: a double loop over log q(z2_j | z1_i)."""
    mean, variance = estimator.critic(z1)
    n = len(z1)
    q = [Normal(mean[i], variance[i].sqrt()) for i in range(n)]
    log_q = [[float(q[i].log_prob(z2[j]).sum()) for j in range(n)] for i in range(n)]
    paired = sum(log_q[i][i] for i in range(n)) / n
    return paired - sum(map(sum, log_q)) / n**2


@pytest.mark.parametrize("n", [2, 3, 17])
def test_equals_a_double_loop_over_all_pairs(n):
    torch.manual_seed(0)
    estimator = CLUB(5).double()
    z1, z2 = (2 * z.double() + 1 for z in gaussian_pair(n, 5, 0.5, 0))
    with torch.no_grad():
        expected = all_pairs_loop(estimator, z1, z2)
        assert float(estimator(z1, z2)) == pytest.approx(expected, rel=1e-10)
        mean, variance = estimator.critic(z1)
        nll = -Normal(mean, variance.sqrt()).log_prob(z2).sum(-1).mean()
        assert float(estimator.learning_loss(z1, z2)) == pytest.approx(float(nll), rel=1e-10)


def train(d: int, r: float, steps: int = 400) -> tuple[CLUB, Generator]:
    torch.manual_seed(0)
    estimator, generator = CLUB(d), Generator().manual_seed(1)
    optimizer = torch.optim.Adam(estimator.parameters(), lr=5e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        estimator.learning_loss(*gaussian_pair(512, d, r, generator)).backward()
        optimizer.step()
    return estimator.eval(), generator


@pytest.mark.parametrize(("d", "r"), [(2, 0.0), (2, 0.5), (2, 0.8), (8, 0.5)])
def test_trained_value_is_above_the_information_and_at_its_own_closed_form(d, r):
    estimator, generator = train(d, r)
    with torch.no_grad():
        draws = [estimator(*gaussian_pair(1024, d, r, generator)) for _ in range(30)]
    value, exact = float(torch.stack(draws).mean()), gaussian_information(d, r)
    assert value > exact - 0.02
    assert value == pytest.approx(d * r * r / (1 - r * r), rel=0.08, abs=0.03)
    assert r == 0 or value > 1.3 * exact


def test_learning_loss_reaches_the_conditional_entropy():
    d, r = 2, 0.8
    estimator, generator = train(d, r)
    with torch.no_grad():
        loss = estimator.learning_loss(*gaussian_pair(20_000, d, r, generator))
    entropy = 0.5 * d * math.log(2 * math.pi * math.e * (1 - r * r))
    assert float(loss) == pytest.approx(entropy, abs=0.05)


def test_variance_never_falls_below_the_floor():
    estimator = CLUB(3, floor=0.1)
    with torch.no_grad():
        estimator.critic.variance.bias.fill_(-100.0)
        _, variance = estimator.critic(torch.zeros(4, 3))
    assert torch.allclose(variance, torch.full((4, 3), 0.01))
    z1, z2 = (z.requires_grad_() for z in gaussian_pair(50, 3, 0.9, 0))
    estimator(z1, z2).backward()
    assert z1.grad.isfinite().all() and z2.grad.isfinite().all()


def test_memory_stays_linear_in_the_rows():
    """An [n, n] matrix of 300,000 rows would need 360 GB."""
    z1, z2 = gaussian_pair(300_000, 2, 0.5, 0)
    with torch.no_grad():
        assert CLUB(2, hidden_channels=4)(z1, z2).isfinite()
