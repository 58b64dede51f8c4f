"""InfoNCE: a lower bound from telling each row's partner among the batch's rows."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge
from torch import Generator, Tensor
from torch.nn import Linear, Module, ReLU, Sequential

from mrdib_graph.estimators.mi_estimator import MIEstimator, frozen, some_rows
from mrdib_graph.options import Count, checked


class InfoNCE(MIEstimator):
    r"""The contrastive lower bound with a learned critic, in nats.

    From `"Representation Learning with Contrastive Predictive Coding"
    <https://arxiv.org/abs/1807.03748>`_ (van den Oord et al., 2018).

    .. math::
        I(z_1; z_2) \ge \frac{1}{n} \sum_i \log \frac{e^{f(z_{1,i}, z_{2,i})}}
            {\frac{1}{n} \sum_j e^{f(z_{1,i}, z_{2,j})}} \le \log n, \qquad
        f(z_1, z_2) = \frac{g_1(z_1)^\top g_2(z_2)}{\sqrt h}

    **Never above the logarithm of the number of rows**, here ``log(min(n, max_rows))``, 6.2 nats
    for 512 rows, however strong the dependence; near that ceiling its gradient fades as well.
    Below it the variance is low, since every row is compared with every other.  Not symmetric in
    the codes: ``z1`` looks for its partner among ``z2``.

    The scores of all pairs are an [n, n] table, so of more than ``max_rows`` rows a random subset
    is read, the same for both codes, drawn anew in each call: O(max_rows^2 h).

    Note:
        The paper's f is bilinear on codes that a network made.  Here :math:`g_1, g_2` are that
        network, since the codes belong to the backbone.

    Args:
        embedding_dim: Width d of both codes.
        hidden_channels: Width h of the critic's hidden layers and of what it compares.
        max_rows: Rows that are compared at most, 2 or more.
        first_dim: Width of ``z1`` where it is another.

    Shapes:
        ``z1``, ``z2`` [n, d] with n >= 2 -> [].

    Raises:
        ConfigError: An option is out of range, or the codes have other shapes.
    """

    bound: ClassVar[Literal["exact", "lower", "upper"]] = "lower"

    @checked
    def __init__(
        self,
        embedding_dim: Count,
        hidden_channels: Count = 64,
        max_rows: Annotated[int, Ge(2)] = 512,
        first_dim: Count | None = None,
    ) -> None:
        super().__init__(embedding_dim, first_dim)
        self.max_rows = max_rows
        self.critic = PairCritic(embedding_dim, hidden_channels, self.first_dim)

    def forward(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        """The bound with the critic as it is []."""
        z1, z2 = some_rows(*self.codes(z1, z2), self.max_rows, generator)
        return contrast(frozen(self.critic, z1, z2))

    def learning_loss(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        """Minus the bound []."""
        z1, z2 = some_rows(*self.codes(z1.detach(), z2.detach()), self.max_rows, generator)
        return -contrast(self.critic(z1, z2))


class PairCritic(Module):
    """Scores [n, n] of all pairs: inner products of what one network makes of each code."""

    def __init__(self, embedding_dim: int, hidden_channels: int, first_dim: int) -> None:
        super().__init__()
        h = hidden_channels
        self.first = Sequential(Linear(first_dim, h), ReLU(), Linear(h, h))
        # a bias here would add the same to all scores of a row, which the bound ignores
        self.second = Sequential(Linear(embedding_dim, h), ReLU(), Linear(h, h, bias=False))

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Row i: ``z1``'s row i with every row of ``z2``; in the type of the codes."""
        g1, g2 = self.first(z1).to(z1.dtype), self.second(z2).to(z2.dtype)
        with torch.autocast(z1.device.type, enabled=False):
            scores: Tensor = g1 @ g2.T / math.sqrt(g1.size(1))
        return scores


def contrast(scores: Tensor) -> Tensor:
    """Mean log share of each row's diagonal score in the row's mean exponential: [n, n] -> [].

    At most log(n), with equality where each row's diagonal score stands out.
    """
    value: Tensor = (scores.diagonal() - scores.logsumexp(1)).mean() + math.log(len(scores))
    return value
