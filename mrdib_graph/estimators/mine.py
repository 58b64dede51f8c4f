"""MINE: the Donsker-Varadhan bound with a learned critic."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Interval
from torch import Generator, Tensor
from torch.nn import Linear, Module, ReLU, Sequential

from mrdib_graph.estimators.mi_estimator import MIEstimator, derangement, frozen
from mrdib_graph.options import Count, checked


class MINE(MIEstimator):
    r"""The Donsker-Varadhan lower bound with a learned critic, in nats.

    From `"MINE: Mutual Information Neural Estimation" <https://arxiv.org/abs/1801.04062>`_
    (Belghazi et al., ICML 2018).

    .. math::
        I(z_1; z_2) \ge \mathbb{E}_{p(z_1, z_2)}[f] - \log \mathbb{E}_{p(z_1) p(z_2)}[e^f]

    Draws from the product of the marginals pair each row of ``z1`` with another row of ``z2``.  A
    batch's gradient of the logarithm is biased: with ``ema_rate`` the critic's gradient divides by
    an exponential moving average of :math:`\mathbb{E}[e^f]` instead of the batch's own mean, while
    the value of the loss stays minus the bound.  The average is part of the state, starts at 1,
    where a fresh critic is, and is used and moved in training mode only.

    Note:
        The bound holds for a critic that maximises it.  Lowering the value over critic and encoders
        together has no floor (:math:`f \to -\infty` on the joint rows alone), hence two scalars.

    Args:
        embedding_dim: Width d of both codes.
        hidden_channels: Width of the critic's hidden layers.
        ema_rate: Share of the new batch in the moving average, in (0, 1); None trains on the plain,
            biased gradient.
        first_dim: Width of ``z1`` where it is another.

    Shapes:
        ``z1``, ``z2`` [n, d] with n >= 2 -> [].

    Raises:
        ConfigError: An option is out of range, or the codes have other shapes.
    """

    bound: ClassVar[Literal["exact", "lower", "upper"]] = "lower"
    log_average: Tensor

    @checked
    def __init__(
        self,
        embedding_dim: Count,
        hidden_channels: Count = 64,
        ema_rate: Annotated[float, Interval(gt=0, lt=1)] | None = 0.01,
        first_dim: Count | None = None,
    ) -> None:
        super().__init__(embedding_dim, first_dim)
        self.ema_rate = ema_rate
        self.critic = Critic(embedding_dim, hidden_channels, self.first_dim)
        self.register_buffer("log_average", torch.zeros(()))

    def forward(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        """The bound with the critic as it is []."""
        z1, z2 = self.codes(z1, z2)
        joint, marginal = frozen(self.critic, z1, z2, derangement(len(z1), z1.device, generator))
        bound: Tensor = joint.to(z1.dtype).mean() - log_mean_exp(marginal.to(z1.dtype))
        return bound

    def learning_loss(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        """Minus the bound [], with the corrected gradient."""
        z1, z2 = self.codes(z1.detach(), z2.detach())
        joint, marginal = self.critic(z1, z2, derangement(len(z1), z1.device, generator))
        log_mean = log_mean_exp(marginal.to(z1.dtype))
        loss: Tensor = self._corrected(log_mean) - joint.to(z1.dtype).mean()
        return loss

    def _corrected(self, log_mean: Tensor) -> Tensor:
        """The same value; its gradient times E[exp f] of the batch over the moving average."""
        if self.ema_rate is None or not self.training:
            return log_mean
        value = log_mean.detach()
        self.log_average.copy_(  # logarithms, so that large values of f do not overflow
            torch.logaddexp(
                self.log_average + math.log1p(-self.ema_rate), value + math.log(self.ema_rate)
            )
        )
        return value + (value - self.log_average).exp() * (log_mean - value)


class Critic(Module):
    """A network f(z1, z2) of two hidden layers, on the joint rows and on permuted ones.

    The first layer is linear in each code, so both kinds of rows share it.
    """

    def __init__(self, embedding_dim: int, hidden_channels: int, first_dim: int) -> None:
        super().__init__()
        self.first = Linear(first_dim, hidden_channels)
        self.second = Linear(embedding_dim, hidden_channels, bias=False)
        self.head = Sequential(
            ReLU(), Linear(hidden_channels, hidden_channels), ReLU(), Linear(hidden_channels, 1)
        )

    def forward(self, z1: Tensor, z2: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Values on rows (i, i) and (i, other[i]), [n] each."""
        h1, h2 = self.first(z1), self.second(z2)  # [n, h]
        return self.head(h1 + h2).squeeze(-1), self.head(h1 + h2.index_select(0, other)).squeeze(-1)


def log_mean_exp(x: Tensor) -> Tensor:
    """Logarithm of the mean of exp(x) [] without overflow."""
    return x.logsumexp(0) - math.log(x.numel())
