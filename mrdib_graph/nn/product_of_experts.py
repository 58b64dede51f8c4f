"""Gaussian codes of several modalities as one: the product of their densities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import Linear, Module, ModuleDict, init

from mrdib_graph.errors import ConfigError
from mrdib_graph.typing import GaussianCode, Rows

_LOG_VAR_RANGE = (-20.0, 10.0)  # outside it exp() leaves float32's useful range


def product_of_gaussians(
    codes: Mapping[str, GaussianCode], masks: Mapping[str, Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    r"""The product of Gaussian experts and a standard normal prior, normalised.

    From `"Multimodal Generative Models for Scalable Weakly-Supervised Learning"
    <https://arxiv.org/abs/1802.05335>`_ (Wu and Goodman, NeurIPS 2018): with the precisions
    :math:`\lambda_m = \sigma_m^{-2}` of the modalities that a row has,

    .. math::
        \mathcal N(z; 0, I) \prod_m \mathcal N(z; \mu_m, \sigma_m^2) \propto
        \mathcal N(z; \mu, \sigma^2), \qquad
        \sigma^{-2} = 1 + \sum_m \lambda_m, \qquad \mu = \sigma^2 \sum_m \lambda_m \mu_m

    A modality that is missing is no expert; a row without any is the prior.

    Args:
        codes: Modality to a code with a variance; samples are not read.
        masks: Modality to the rows that have it [n] bool; all by default.

    Returns:
        Mean and log variance of the product, [n, d] each.

    Raises:
        ConfigError: There is no code, or one has no variance.
    """
    if not codes:
        raise ConfigError("codes: got none, expected one code or more")
    masks = masks or {}
    first = next(iter(codes.values())).mean
    precision, weighted = torch.ones_like(first), torch.zeros_like(first)
    for name, code in codes.items():
        if code.log_var is None:
            raise ConfigError(
                f"codes: that of '{name}' has no variance (a deterministic bottleneck, or eval "
                "mode); ProductOfExperts gives its experts variances in both modes"
            )
        of_expert = (-code.log_var).exp()
        if name in masks:
            of_expert = of_expert * masks[name].unsqueeze(1)
        precision = precision + of_expert
        weighted = weighted + of_expert * code.mean
    return weighted / precision, -precision.log()


class ProductOfExperts(Module):
    r"""Fuses modality embeddings by how sure each of them is, dimension by dimension.

    An expert is :math:`\mathcal N(e_m, \mathrm{diag} \exp(W_m e_m + b_m))`: the embedding itself,
    with a learned log variance.  The fused code is their :func:`product_of_gaussians`.  With fewer
    modalities the code comes closer to 0, the mean of the prior.

    Args:
        modalities: Names.
        embedding_dim: d.
        log_var_bias: Start of :math:`b_m`; at 0 an expert is as sure as the prior.

    Shapes:
        ``{m: [n, d]}``, masks ``{m: [n]}`` -> a :class:`GaussianCode` of [n, d], with its log
        variance in eval mode too; the sample is the mean then.

    Raises:
        ConfigError: There is no modality.
    """

    def __init__(
        self, modalities: Sequence[str], embedding_dim: int, log_var_bias: float = 0.0
    ) -> None:
        super().__init__()
        if not modalities:
            raise ConfigError("modalities: a product of experts needs at least one, got none")
        self.modalities = list(modalities)
        self.log_var = ModuleDict(
            {m: Linear(embedding_dim, embedding_dim) for m in self.modalities}
        )
        for head in self.log_var.values():
            assert isinstance(head, Linear)
            init.normal_(head.weight, std=0.01)
            init.constant_(head.bias, log_var_bias)

    def experts(self, rows: Rows) -> dict[str, GaussianCode]:
        """Each modality's code; samples are the means."""
        return {
            m: GaussianCode(rows[m], self.log_var[m](rows[m]).clamp(*_LOG_VAR_RANGE), rows[m])
            for m in self.modalities
        }

    def forward(
        self,
        rows: Rows,
        masks: Mapping[str, Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> GaussianCode:
        """The fused code; rows that ``masks`` leave out, or zero rows without it, have no expert.

        A zero row is how a backbone, a knock-out and modality dropout write a missing modality.
        """
        if masks is None:
            masks = {m: (rows[m] != 0).any(1) for m in self.modalities}
        mean, log_var = product_of_gaussians(self.experts(rows), masks)
        if not self.training:
            return GaussianCode(mean, log_var, mean)
        noise = torch.empty_like(mean).normal_(generator=generator)
        return GaussianCode(mean, log_var, mean + (0.5 * log_var).exp() * noise)
