import math

import pytest
import torch
from torch import Generator

from mrdib_graph.estimators import MINE
from mrdib_graph.estimators.mi_estimator import derangement
from mrdib_graph.estimators.mine import log_mean_exp
from mrdib_graph.testing.estimators import gaussian_information, gaussian_pair


def seed(value: int) -> Generator:
    return Generator().manual_seed(value)


def test_value_is_donsker_varadhan_in_both_scalars():
    torch.manual_seed(0)
    estimator, (z1, z2) = MINE(4), gaussian_pair(30, 4, 0.5, 0)
    other = derangement(30, torch.device("cpu"), seed(1))
    head, critic = estimator.critic.head, estimator.critic

    def f(a, b):
        weight = torch.cat([critic.first.weight, critic.second.weight], 1)
        return float(head(torch.cat([a, b]) @ weight.T + critic.first.bias))

    with torch.no_grad():
        joint = sum(f(z1[i], z2[i]) for i in range(30)) / 30
        marginal = sum(math.exp(f(z1[i], z2[other[i]])) for i in range(30)) / 30
    expected = joint - math.log(marginal)
    assert float(estimator(z1, z2, seed(1))) == pytest.approx(expected, abs=1e-6)
    assert estimator.learning_loss(z1, z2, seed(1)).item() == pytest.approx(-expected, abs=1e-6)


def train(d: int, r: float, ema_rate: float | None = 0.01) -> tuple[MINE, Generator]:
    torch.manual_seed(0)
    estimator, generator = MINE(d, ema_rate=ema_rate), seed(1)
    optimizer = torch.optim.Adam(estimator.parameters(), lr=5e-3)
    for _ in range(400):
        optimizer.zero_grad()
        z1, z2 = gaussian_pair(512, d, r, generator)
        estimator.learning_loss(z1, z2, generator).backward()
        optimizer.step()
    return estimator.eval(), generator


@pytest.mark.parametrize(("d", "r"), [(2, 0.0), (2, 0.5), (2, 0.8), (8, 0.5)])
def test_trained_value_approaches_the_information_from_below(d, r):
    estimator, generator = train(d, r)
    with torch.no_grad():
        draws = [estimator(*gaussian_pair(2048, d, r, generator), generator) for _ in range(20)]
    values = torch.stack(draws)
    value, exact = float(values.mean()), gaussian_information(d, r)
    assert 0.85 * exact - 0.01 < value < exact + 3 * float(values.std()) / math.sqrt(20) + 0.01


def test_corrected_gradient_divides_by_the_moving_average():
    torch.manual_seed(0)
    estimator, (z1, z2) = MINE(4, ema_rate=0.1), gaussian_pair(64, 4, 0.5, 0)
    with torch.no_grad():
        estimator.critic.head[-1].bias.fill_(1.0)  # the batch mean of exp f is far from 1
    z = (z1, z2, derangement(64, torch.device("cpu"), seed(1)))
    joint, marginal = estimator.critic(*z)
    average = 0.9 * 1.0 + 0.1 * marginal.exp().mean().detach()
    by_hand = marginal.exp().mean() / average - joint.mean()
    expected = torch.autograd.grad(by_hand, list(estimator.parameters()))
    got = torch.autograd.grad(
        estimator.learning_loss(z1, z2, seed(1)), list(estimator.parameters())
    )
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    assert float(estimator.log_average) == pytest.approx(math.log(float(average)), rel=1e-5)


def test_correction_changes_the_gradient_and_not_the_value():
    torch.manual_seed(0)
    plain, corrected = MINE(4, ema_rate=None), MINE(4)
    corrected.load_state_dict(plain.state_dict())
    for estimator in (plain, corrected):
        estimator.critic.head[-1].bias.data.fill_(1.0)
    z1, z2 = gaussian_pair(64, 4, 0.5, 0)
    losses = [e.learning_loss(z1, z2, seed(1)) for e in (plain, corrected)]
    assert losses[0] == losses[1]
    bias = [
        torch.autograd.grad(loss, e.critic.head[-1].bias)[0]
        for loss, e in zip(losses, (plain, corrected), strict=True)
    ]
    # the bound ignores a constant in f; the correction pulls E[exp f] towards the average
    assert bias[0].abs() < 1e-6 and bias[1] > 0.5


def test_correction_lowers_the_bias_of_small_batch_gradients():
    """Against the gradient on very many rows, the mean corrected gradient of 4 rows is nearer."""
    torch.manual_seed(0)
    plain, generator = MINE(2, hidden_channels=8, ema_rate=None).double(), seed(1)
    with torch.no_grad():
        plain.critic.head[-1].weight.mul_(8.0)  # steep, so that the logarithm is far from linear
    corrected = MINE(2, hidden_channels=8, ema_rate=0.001).double()
    corrected.load_state_dict(plain.state_dict())

    def gradient(estimator: MINE, n: int, repeats: int) -> torch.Tensor:
        total = torch.zeros_like(estimator.critic.head[1].weight)
        for _ in range(repeats):
            z1, z2 = (z.double() for z in gaussian_pair(n, 2, 0.5, generator))
            loss = estimator.learning_loss(z1, z2, generator)
            total += torch.autograd.grad(loss, estimator.critic.head[1].weight)[0] / repeats
        return total

    truth = gradient(plain, 200_000, 1)
    z1, z2 = (z.double() for z in gaussian_pair(200_000, 2, 0.5, generator))
    with torch.no_grad():
        other = derangement(len(z1), z1.device, generator)
        corrected.log_average.copy_(log_mean_exp(plain.critic(z1, z2, other)[1]))
    errors = [float((gradient(e, 4, 1500) - truth).norm()) for e in (plain, corrected)]
    assert errors[1] < 0.5 * errors[0]


def test_average_moves_only_while_learning():
    torch.manual_seed(0)
    estimator, (z1, z2) = MINE(4), gaussian_pair(64, 4, 0.5, 0)
    assert estimator.log_average == 0
    estimator(z1, z2)
    estimator.eval().learning_loss(z1, z2)
    assert estimator.log_average == 0
    estimator.train().learning_loss(z1, z2)
    assert estimator.log_average != 0
    assert "log_average" in estimator.state_dict()


def test_generator_decides_the_marginal_rows():
    torch.manual_seed(0)
    estimator, (z1, z2) = MINE(4), gaussian_pair(64, 4, 0.5, 0)
    values = [float(estimator(z1, z2, seed(s))) for s in (1, 1, 2)]
    assert values[0] == values[1] != values[2]


def test_large_values_do_not_overflow():
    estimator = MINE(2)
    with torch.no_grad():
        estimator.critic.head[-1].bias.fill_(500.0)  # exp(500) is infinite in float32
    z1, z2 = (z.requires_grad_() for z in gaussian_pair(32, 2, 0.5, 0))
    loss = estimator.learning_loss(z1, z2)
    (estimator(z1, z2) + loss).backward()
    assert loss.isfinite() and estimator.log_average.isfinite()
    assert all(p.grad.isfinite().all() for p in estimator.parameters())
    assert z1.grad.isfinite().all()


def test_log_mean_exp_by_hand():
    assert float(log_mean_exp(torch.tensor([0.0, math.log(3.0)]))) == pytest.approx(math.log(2.0))
    assert float(log_mean_exp(torch.tensor([1000.0, 1000.0]))) == 1000.0


def test_one_value_lowered_by_both_sides_has_no_floor():
    """Why there are two scalars: the same critic, trained on the estimate itself, runs away."""
    torch.manual_seed(0)
    estimator, (z1, z2) = MINE(2), gaussian_pair(128, 2, 0.5, 0)
    codes = torch.nn.Parameter(z1.clone())
    optimizer = torch.optim.Adam([*estimator.critic.parameters(), codes], lr=0.01)
    for step in range(300):
        joint, marginal = estimator.critic(codes, z2, derangement(128, z1.device, seed(step)))
        optimizer.zero_grad()
        (joint.mean() - log_mean_exp(marginal)).backward()
        optimizer.step()
    assert estimator(codes.detach(), z2, seed(0)) < -10
