"""How far a Gaussian code stands from the prior."""

from __future__ import annotations

from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.typing import GaussianCode


def kl_to_standard_normal(code: GaussianCode) -> Tensor:
    r"""KL of each row's code to :math:`\mathcal N(0, I)` in nats: [n, d] -> [n].

    .. math::
        \tfrac12 \sum_d (\mu^2 + \sigma^2 - \log \sigma^2 - 1)

    Raises:
        ConfigError: The code is deterministic, so the divergence is infinite.
    """
    if code.log_var is None:
        raise ConfigError("kl: the code has no variance (stochastic=False or eval mode)")
    log_var = code.log_var
    return 0.5 * (code.mean.square() + log_var.exp() - log_var - 1).sum(-1)
