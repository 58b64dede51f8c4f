"""The Gaussian bottleneck: an embedding row to a code with a mean and a variance."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import Linear, Module, init

from mrdib_graph.options import Count, checked
from mrdib_graph.typing import GaussianCode

_LOG_VAR_RANGE = (-20.0, 10.0)  # outside it exp() leaves float32's useful range


class GaussianBottleneck(Module):
    r"""Maps :math:`e_m` to a code :math:`z_m \sim \mathcal N(\mu(e_m), \mathrm{diag}\,
    \sigma^2(e_m))`, as in `"Deep Variational Information Bottleneck"
    <https://arxiv.org/abs/1612.00410>`_.

    .. math::
        z = \mu + \sigma \odot \varepsilon, \qquad
        \mathrm{KL} = \tfrac12 \sum_d (\mu^2 + \sigma^2 - \log \sigma^2 - 1)

    Args:
        embedding_dim: d.
        mean: ``'identity'`` (:math:`\mu(e) = e`) or ``'linear'``.
        log_var_bias: Start of :math:`\log \sigma^2`; -6 is a standard deviation of 0.05.
        stochastic: False gives the mean alone, without a log-variance head and without noise.

    Shapes:
        [n, d] -> a :class:`GaussianCode` of [n, d].  In eval mode the sample is the mean.
    """

    @checked
    def __init__(
        self,
        embedding_dim: Count,
        mean: Literal["identity", "linear"] = "identity",
        log_var_bias: float = -6.0,
        stochastic: bool = True,
    ) -> None:
        super().__init__()
        self.mean = Linear(embedding_dim, embedding_dim) if mean == "linear" else None
        self.log_var = Linear(embedding_dim, embedding_dim) if stochastic else None
        if self.mean is not None:
            init.eye_(self.mean.weight)
            init.zeros_(self.mean.bias)
        if self.log_var is not None:
            init.normal_(self.log_var.weight, std=0.01)
            init.constant_(self.log_var.bias, log_var_bias)

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> GaussianCode:
        """The code of each row."""
        mean = x if self.mean is None else self.mean(x)
        if not self.training or self.log_var is None:
            return GaussianCode(mean, None, mean)
        log_var = self.log_var(x).clamp(*_LOG_VAR_RANGE)
        noise = torch.empty_like(mean).normal_(generator=generator)
        return GaussianCode(mean, log_var, mean + (0.5 * log_var).exp() * noise)
