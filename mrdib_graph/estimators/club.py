"""CLUB: an upper bound from a learned conditional Gaussian."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from torch import Generator, Tensor
from torch.nn import Linear, Module, ReLU, Sequential
from torch.nn.functional import softplus

from mrdib_graph.estimators.mi_estimator import MIEstimator, frozen
from mrdib_graph.options import Count, Positive, checked


class CLUB(MIEstimator):
    r"""An upper bound from a learned Gaussian q of one code given the other, in nats.

    From `"CLUB: A Contrastive Log-ratio Upper Bound of Mutual Information"
    <https://arxiv.org/abs/2006.12013>`_ (Cheng et al., ICML 2020).

    .. math::
        I(z_1; z_2) \le \frac{1}{n} \sum_i \log q(z_{2,i} | z_{1,i})
            - \frac{1}{n^2} \sum_{i,j} \log q(z_{2,j} | z_{1,i}), \qquad
        q(z_2 | z_1) = \mathcal{N}(\mu(z_1), \mathrm{diag}(\sigma^2(z_1)))

    The logarithm of a Gaussian is quadratic in ``z2``, so the mean over j needs only the mean and
    variance of ``z2``: all pairs are counted exactly in O(n d).  The critic lowers
    :math:`-\frac{1}{n} \sum_i \log q(z_{2,i} | z_{1,i})`.  The estimate is an upper bound where q
    is close to the true conditional; it is loose for strong dependence (on Gaussians of correlation
    r it tends to r^2 / (1 - r^2) a column, above -log(1 - r^2) / 2) and not symmetric in the codes.

    Args:
        embedding_dim: Width d of both codes.
        hidden_channels: Width of the critic's hidden layer.
        floor: Smallest standard deviation of q: bounds the gradient on tiny codes.
        first_dim: Width of ``z1`` where it is another.

    Shapes:
        ``z1``, ``z2`` [n, d] with n >= 2 -> [].

    Raises:
        ConfigError: An option is out of range, or the codes have other shapes.
    """

    bound: ClassVar[Literal["exact", "lower", "upper"]] = "upper"

    @checked
    def __init__(
        self,
        embedding_dim: Count,
        hidden_channels: Count = 64,
        floor: Positive = 0.01,
        first_dim: Count | None = None,
    ) -> None:
        super().__init__(embedding_dim, first_dim)
        self.critic = ConditionalGaussian(embedding_dim, hidden_channels, floor**2, self.first_dim)

    def forward(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        """The bound over all pairs with the critic as it is []."""
        del generator
        z1, z2 = self.codes(z1, z2)
        mean, variance = frozen(self.critic, z1)
        paired = (z2 - mean).square()  # [n, d]
        spread = z2.var(0, correction=0)  # [d]
        every = spread + (z2.mean(0) - mean).square()  # [n, d]: mean over j of (z2_j - mean_i)^2
        bound: Tensor = 0.5 * ((every - paired) / variance).sum(-1).mean()
        return bound

    def learning_loss(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        """Mean negative log-likelihood of q on the joint rows [], in nats."""
        del generator
        z1, z2 = self.codes(z1.detach(), z2.detach())
        mean, variance = self.critic(z1)
        nll: Tensor = (z2 - mean).square() / variance + variance.log() + math.log(2 * math.pi)
        return 0.5 * nll.sum(-1).mean()


class ConditionalGaussian(Module):
    """Mean and variance [n, d] of ``z2`` given ``z1``, from a network of one hidden layer."""

    def __init__(
        self, embedding_dim: int, hidden_channels: int, min_variance: float, first_dim: int
    ) -> None:
        super().__init__()
        self.hidden = Sequential(Linear(first_dim, hidden_channels), ReLU())
        self.mean = Linear(hidden_channels, embedding_dim)
        self.variance = Linear(hidden_channels, embedding_dim)
        self.min_variance = min_variance

    def forward(self, z1: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each row, in the type of ``z1`` also under autocast."""
        h = self.hidden(z1)  # [n, h]
        variance = softplus(self.variance(h).to(z1.dtype)) + self.min_variance
        return self.mean(h).to(z1.dtype), variance
