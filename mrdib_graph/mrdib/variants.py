"""Variants of MRdIB that the defaults do not use: one equation each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.mrdib.mrdib import Comparison, MRdIB, mean_or_zero, per_modality
from mrdib_graph.options import Count, NonNegative, checked


class FreeBits(MRdIB):
    r"""Codes that may carry some nats for nothing, from `"Improved Variational Inference with
    Inverse Autoregressive Flow" <https://arxiv.org/abs/1606.04934>`_ (Kingma et al., 2016).

    .. math::
        L_\text{KL} = \sum_m \max\big(\lambda_m, \overline{\mathrm{KL}}_m\big)

    with the mean of a modality's kl over the nodes, so below :math:`\lambda_m` nothing pulls.

    Args:
        modalities: As of :class:`MRdIB`.
        embedding_dim: d.
        free_bits: :math:`\lambda_m` in nats (1 bit is 0.693), for all or for each modality.
        alpha_kl: As of :class:`MRdIB`; above 0 here.
        options: Everything else of :class:`MRdIB`.
    """

    @checked
    def __init__(
        self,
        modalities: Sequence[str],
        embedding_dim: Count = 64,
        free_bits: NonNegative | Mapping[str, NonNegative] = 2.0,
        alpha_kl: NonNegative | Mapping[str, NonNegative] = 1e-3,
        **options: Any,
    ) -> None:
        super().__init__(modalities, embedding_dim, alpha_kl=alpha_kl, **options)
        self.free_bits = per_modality("free_bits", free_bits, modalities)

    def price(self, modality: str, kl: Mapping[str, Tensor]) -> Tensor:
        """The mean over nodes, at least the free bits; 0 where no node has the modality."""
        value = super().price(modality, kl)
        any_row = any(rows.numel() for rows in kl.values())
        return value.clamp_min(self.free_bits[modality]) if any_row else value


class EvidenceBound(MRdIB):
    r"""The weight of kl that follows from a bound: a code is paid for once a node, a ranking loss
    once an interaction, so ``ranking`` and ``kl`` together are the evidence bound.

    .. math::
        L_\text{KL} = \sum_m \sum_t \frac{N_t}{N}\, \overline{\mathrm{KL}}_{m,t}

    in nats per interaction, with :math:`N_t` nodes of type t, N training interactions and means
    over the nodes of the batch.

    Args:
        modalities: As of :class:`MRdIB`.
        embedding_dim: d.
        alpha_kl: 1 for the bound itself.
        options: Everything else of :class:`MRdIB`.
    """

    @checked
    def __init__(
        self,
        modalities: Sequence[str],
        embedding_dim: Count = 64,
        alpha_kl: NonNegative = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(modalities, embedding_dim, alpha_kl=alpha_kl, **options)

    def price(self, modality: str, kl: Mapping[str, Tensor]) -> Tensor:
        """What the codes cost an interaction [].

        Raises:
            ConfigError: :meth:`prepare_epoch` did not say how large the data are.
        """
        del modality
        if self.counts is None:
            raise ConfigError(
                "EvidenceBound needs the size of the data; call prepare_epoch(epoch, counts) "
                "before the first batch"
            )
        number = max(1, self.counts["interactions"])
        parts = [mean_or_zero(rows) * self.counts[t] / number for t, rows in kl.items()]
        return torch.stack(parts).sum()


class TotalCorrelation(MRdIB):
    r"""Everything that the codes share, where pairs miss what only three of them show together.

    .. math::
        \mathrm{TC} = \sum_m H(z_m) - H(z_1 .. z_M) = \sum_{m \ge 2} I(z_1 .. z_{m-1}; z_m)

    A sum, so with two modalities it is the pairwise term and with more it is larger.  The estimator
    takes a wider first argument, see ``first_dim`` of
    :class:`~mrdib_graph.estimators.MIEstimator`.
    """

    def compared(self) -> list[Comparison]:
        """Each modality with all before it."""
        names = self.modalities
        return [Comparison(tuple(names[:k]), names[k]) for k in range(1, len(names))]

    def combine(self, values: Tensor, num_types: int) -> Tensor:
        """The sum along the chain, a mean over node types."""
        return values.sum() / num_types
