# ruff: noqa: ARG002
import math

import pytest
import torch
from torch import Generator, Tensor

from mrdib_graph import estimators, resolver
from mrdib_graph.estimators import CLUB, HSIC, MINE, Gaussian, MIEstimator
from mrdib_graph.estimators.mi_estimator import derangement
from mrdib_graph.testing import check_estimator
from mrdib_graph.testing.estimators import gaussian_information, gaussian_pair, gaussian_pairs


class Third(Gaussian):
    """A third party's estimator: columns one by one, right for the check's Gaussian pairs."""

    def forward(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        z1, z2 = self.codes(z1, z2)
        z1, z2 = z1 - z1.mean(0), z2 - z2.mean(0)
        covariance = (z1 * z2).mean(0)
        product = (z1.square().mean(0) + 1e-4) * (z2.square().mean(0) + 1e-4)
        return -0.5 * torch.log1p(-covariance.square() / product).sum()


class Halved(Third):
    def forward(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        return 0.5 * super().forward(z1, z2)


class Shifted(Third):
    def forward(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        return super().forward(z1, z2) + 1


class Score(Halved):
    """On a scale of its own."""

    in_nats = False


class ShiftedScore(Score):
    def forward(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        return super().forward(z1, z2) + 0.09


class FallingScore(Score):
    def forward(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        return -super().forward(z1, z2)


class Unfloored(Third):
    def forward(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        z1, z2 = self.codes(z1, z2)
        z1, z2 = (z1 - z1.mean(0)) / z1.std(0), (z2 - z2.mean(0)) / z2.std(0)
        return -0.5 * torch.log1p(-(z1 * z2).mean(0).square()).sum()


class OneSided(Third):
    def forward(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        return super().forward(z1, z2.detach())


class NotScalar(Third):
    def forward(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        return super().forward(z1, z2)[None]


class PretendsToLearn(Third):
    def learning_loss(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        return z1.new_ones(())


class LiveCritic(MINE):
    def forward(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        joint, marginal = self.critic(z1, z2, derangement(len(z1), z1.device, generator))
        return joint.mean() - marginal.logsumexp(0) + math.log(len(z1))


class LiveCodes(CLUB):
    def learning_loss(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        mean, variance = self.critic(z1)
        return ((z2 - mean).square() / variance + variance.log()).sum(-1).mean()


class Untrained(CLUB):
    def learning_loss(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        return z1.new_zeros(())


class IgnoresGenerator(MINE):
    def forward(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        return super().forward(z1, z2)


class Counts(Third):
    def __init__(self, embedding_dim: int) -> None:
        super().__init__(embedding_dim)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        self.calls += 1
        return super().forward(z1, z2)


@pytest.mark.parametrize("name", sorted(resolver.choices(estimators, MIEstimator)))
def test_every_estimator_of_the_package_passes(name):
    check_estimator(resolver.choices(estimators, MIEstimator)[name])


class HoldsAConstant(CLUB):
    """A parameter that is not learned is no fault."""

    def __init__(self, embedding_dim: int) -> None:
        super().__init__(embedding_dim)
        self.scale = torch.nn.Parameter(torch.ones(()), requires_grad=False)


def test_options_reach_the_class_and_a_third_party_passes():
    check_estimator(MINE, ema_rate=None, hidden_channels=32)
    check_estimator(Third)
    check_estimator(HSIC, normalise=False)
    check_estimator(HoldsAConstant)
    with pytest.raises(TypeError, match="wrong_option"):
        check_estimator(MINE, wrong_option=1)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Halved, "correlation 0.4"),
        (Shifted, "independent codes"),
        (ShiftedScore, "independent codes: 0.0"),
        (FallingScore, "not rising"),
        (Unfloored, "codes: estimate nan"),
        (OneSided, "no gradient to z2"),
        (NotScalar, "expected a scalar"),
        (PretendsToLearn, "must be 0"),
        (LiveCritic, "forward sends a gradient to the critic"),
        (LiveCodes, "learning_loss sends a gradient to the codes"),
        (Untrained, "leaves parameters out"),
        (IgnoresGenerator, "equal generators gave"),
        (Counts, "changed the state"),
    ],
)
def test_each_broken_estimator_is_caught_with_its_reason(broken, message):
    with pytest.raises(AssertionError, match=message):
        check_estimator(broken)


def test_bound_decides_the_side():
    class Claims(Third):
        bound = "lower"

    check_estimator(Claims)
    Claims.bound = "upper"
    check_estimator(Claims)
    Halved.bound = "upper"
    with pytest.raises(AssertionError, match="bound 'upper'"):
        check_estimator(Halved)
    Halved.bound = "exact"


def test_a_dependence_that_is_not_in_nats_is_held_to_no_closed_form():
    check_estimator(Score)
    Score.in_nats = True
    with pytest.raises(AssertionError, match="correlation 0.4"):
        check_estimator(Score)
    Score.in_nats = False


def test_check_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check_estimator(Gaussian)
    assert torch.equal(torch.rand(2), expected)


def test_gaussian_pair_has_the_correlation_it_says():
    z1, z2 = gaussian_pair(50_000, 3, 0.6, 0)
    correlation = torch.corrcoef(torch.cat([z1, z2], 1).T)
    expected = torch.eye(6) + 0.6 * (torch.eye(6).roll(3, 0))
    torch.testing.assert_close(correlation, expected, atol=0.02, rtol=0)
    assert gaussian_information(3, 0.6) == pytest.approx(-1.5 * math.log(0.64))
    assert torch.equal(gaussian_pair(5, 3, 0.6, 1)[0], gaussian_pair(5, 3, 0.6, 1)[0])


def test_pairs_are_new_each_time_or_always_the_first() -> None:
    fresh, same = (
        gaussian_pairs(8, 2, 0.5, Generator().manual_seed(0), fresh) for fresh in (True, False)
    )
    first = gaussian_pair(8, 2, 0.5, 0)
    assert all(torch.equal(a, b) for a, b in zip(next(fresh), first, strict=True))
    assert next(same)[0] is next(same)[0]
    assert not torch.equal(next(fresh)[0], first[0])
