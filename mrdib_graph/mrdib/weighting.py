"""Weights of MRdIB's terms: fixed, learned, or balanced by how fast each term falls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import Module, Parameter, ParameterDict

from mrdib_graph.errors import ConfigError
from mrdib_graph.typing import Terms

WeightingName = Literal["fixed", "uncertainty", "dwa"]


class Weighting(Module):
    """Fixed weights: each term keeps its alpha.  The base of the other two.

    Only terms with a weight above 0 are computed, whatever the weighting.  The ranking loss and the
    critics' own loss are never weighted here.

    Args:
        alphas: Term to its weight.
    """

    learned: ClassVar[bool] = False
    """Whether the weights change while training."""

    def __init__(self, alphas: Mapping[str, float]) -> None:
        super().__init__()
        self.alphas = dict(alphas)

    def weights(self) -> dict[str, float]:
        """The present weight of each term."""
        return dict(self.alphas)

    def observe(self, terms: Terms) -> Terms:
        """Read a training step's terms, unweighted; answers with terms of its own, of weight 1."""
        del terms
        return {}

    def prepare_epoch(self, epoch: int) -> None:
        """Called before each epoch, counted from 0, and where one is resumed in its middle."""


class UncertaintyWeighting(Weighting):
    r"""Learned log-variances, from `"Multi-Task Learning Using Uncertainty to Weigh Losses for
    Scene Geometry and Semantics" <https://arxiv.org/abs/1705.07115>`_ (Kendall et al., CVPR 2018).

    .. math::
        \sum_k e^{-s_k} L_k + \tfrac12 s_k, \qquad s_k = \log \sigma_k^2, \qquad
        \text{at rest } e^{-s_k} = \frac{1}{2 L_k}

    The weight :math:`e^{-s_k}` starts at the term's alpha and is free from then on, so an alpha
    says where to start.  It is given out as a number, and :meth:`observe` answers with a term
    ``weighting`` whose value is :math:`\sum_k \tfrac12 s_k` and whose gradient is that of the sum
    above in s, and in nothing else.

    Note:
        **The redundancy keeps its alpha.**  The sum is a log-likelihood of noisy targets and needs
        :math:`L_k > 0`.  An estimate of mutual information is none, and may be negative: then
        :math:`e^{-s} L + s / 2` falls without end as the weight grows.  Near 0, where the
        redundancy is as wanted, the weight at rest would be at its largest.

        The other terms are at least 0 but can come near it, so in the gradient of s a term counts
        as :math:`1 / (2\,\text{max\_weight})` at least: no weight rests above ``max_weight``.  The
        paper has no such limit.

    Args:
        alphas: Term to the weight that it starts from.
        max_weight: Largest weight at rest.

    Raises:
        ConfigError: ``max_weight`` is not above 0.
    """

    learned = True

    def __init__(self, alphas: Mapping[str, float], max_weight: float = 10.0) -> None:
        super().__init__(alphas)
        if not max_weight > 0:
            raise ConfigError(f"max_weight: got {max_weight}, expected more than 0")
        self.least = 1 / (2 * max_weight)
        # s + log(alpha): a decay of the weights pulls towards alpha, not towards 1
        self.shift = ParameterDict(
            {
                name: Parameter(torch.zeros(()))
                for name, alpha in alphas.items()
                if alpha > 0 and name != "redundancy"
            }
        )

    def weights(self) -> dict[str, float]:
        """The learned weights, alpha for the redundancy, and 1 for the term ``weighting``."""
        learned = {k: self.alphas[k] * math.exp(-s.item()) for k, s in self.shift.items()}
        return {**self.alphas, **learned, "weighting": 1.0}

    def observe(self, terms: Terms) -> Terms:
        """The term ``weighting``, over the terms that this step has."""
        parts = []
        for name, shift in self.shift.items():
            if name in terms:
                cost = (
                    self.alphas[name] * (-shift).exp() * terms[name].detach().clamp_min(self.least)
                )
                half_s = 0.5 * (shift - math.log(self.alphas[name]))
                parts.append(half_s + cost - cost.detach())
        return {"weighting": torch.stack(parts).sum()} if parts else {}


class DynamicWeightAverage(Weighting):
    r"""Shifts weight to terms that fall slowly, from `"End-to-End Multi-Task Learning with
    Attention" <https://arxiv.org/abs/1803.10704>`_ (Liu et al., CVPR 2019).

    .. math::
        \lambda_k(t) = \frac{K e^{r_k(t) / T}}{\sum_l e^{r_l(t) / T}}, \qquad
        r_k(t) = \frac{L_k(t - 1)}{L_k(t - 2)}

    with the mean :math:`L_k(t)` of a term over the steps of epoch t, as it is logged, and
    :math:`r_k = 1` for the first two epochs.  A term weighs :math:`\alpha_k \lambda_k`: the K
    factors sum to K, so the alphas say how much the terms weigh and this how it is shared out.

    Note:
        The paper weighs the main task too; here it keeps 1.  A redundancy estimate may be 0 or
        below, where a ratio means nothing.  So values below ``floor`` count as the floor, and
        ratios above 2 as 2: no factor exceeds :math:`e^{1 / T}` times that of a term at rest.

    Args:
        alphas: Term to its weight.
        temperature: T.
        floor: Least value of a term's mean, in its own unit.

    Raises:
        ConfigError: An option is not above 0.
    """

    learned = True
    epoch: Tensor
    sums: Tensor
    counts: Tensor
    last: Tensor
    earlier: Tensor
    seen: Tensor
    factors: Tensor

    def __init__(
        self, alphas: Mapping[str, float], temperature: float = 2.0, floor: float = 0.01
    ) -> None:
        super().__init__(alphas)
        for option, value in (("temperature", temperature), ("floor", floor)):
            if not value > 0:
                raise ConfigError(f"{option}: got {value}, expected more than 0")
        self.temperature = temperature
        self.floor = floor
        self.names = [name for name, alpha in alphas.items() if alpha > 0]
        k = len(self.names)
        self.register_buffer("epoch", torch.tensor(-1))  # that the sums belong to
        for name in ("sums", "counts", "last", "earlier", "seen"):
            self.register_buffer(name, torch.zeros(k))
        self.register_buffer("factors", torch.ones(k))

    def weights(self) -> dict[str, float]:
        """Alpha times the factor of the epoch."""
        factors = zip(self.names, self.factors.tolist(), strict=True)
        return {**self.alphas, **{name: self.alphas[name] * f for name, f in factors}}

    @torch.no_grad()
    def observe(self, terms: Terms) -> Terms:
        """Add the step's terms to the sums of the epoch."""
        for position, name in enumerate(self.names):
            if name in terms:
                self.sums[position] += terms[name]
                self.counts[position] += 1
        return {}

    def prepare_epoch(self, epoch: int) -> None:
        """Close the epoch before and set the factors; nothing where this one goes on."""
        if epoch == int(self.epoch):
            return
        observed = self.counts > 0  # a term is in no step where too few items have the modalities
        mean = self.sums / self.counts.clamp_min(1)
        self.earlier.copy_(torch.where(observed, self.last, self.earlier))
        self.last.copy_(torch.where(observed, mean, self.last))
        self.seen += observed
        ratio = self.last.clamp_min(self.floor) / self.earlier.clamp_min(self.floor)
        ratio = torch.where(self.seen >= 2, ratio.clamp_max(2), 1.0)
        self.factors.copy_(len(ratio) * torch.softmax(ratio / self.temperature, 0))
        self.sums.zero_()
        self.counts.zero_()
        self.epoch.fill_(epoch)


def build_weighting(name: WeightingName, alphas: Mapping[str, float]) -> Weighting:
    """The weighting of a name, over terms with these alphas.

    Raises:
        ConfigError: Another name.
    """
    known = {"fixed": Weighting, "uncertainty": UncertaintyWeighting, "dwa": DynamicWeightAverage}
    if name not in known:
        raise ConfigError(f"weighting: got {name!r}, expected fixed, uncertainty or dwa")
    made: Weighting = known[name](alphas)
    return made
