"""MRdIB as a loss module on any dictionary of modality embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Literal

import torch
from torch import Tensor
from torch.nn import Module, ModuleDict

from mrdib_graph import estimators, resolver
from mrdib_graph.errors import ConfigError
from mrdib_graph.estimators import MIEstimator
from mrdib_graph.mrdib.decoders import RankingDecoder
from mrdib_graph.mrdib.gaussian_bottleneck import GaussianBottleneck, kl_to_standard_normal
from mrdib_graph.typing import GaussianCode, Rows, Terms

Codes = dict[str, GaussianCode]


class MRdIB(Module):
    r"""`"Multimodal Representation-disentangled Information Bottleneck for Multimodal
    Recommendation" <https://arxiv.org/abs/2509.20225>`_.

    .. math::
        L = L_\text{pred}
        + \alpha_1 \underbrace{\sum_m \mathrm{KL}(q(z_m | x_m) \| \mathcal N(0, I))}_{\text{kl}}
        + \alpha_2 \underbrace{\tfrac1P \sum_{a<b} I(z_a; z_b)}_{\text{redundancy}}
        + \alpha_3 \underbrace{\sum_m \mathbb E[-\log p(y | z_m)]}_{\text{unique}}

    The prediction loss on the fused codes is the synergy term; whoever fuses the codes computes it.
    Any number of modalities; a pair's redundancy is taken on the rows that have both.  A weight
    of 0 skips its computation: without ``alpha_kl`` the codes are deterministic.

    Args:
        modalities: Names of the embeddings that :meth:`compress` turns into codes; other names in
            its input pass unread.
        embedding_dim: d, the width of every embedding.
        estimator: Mutual-information estimator: a name, or a class of
            :mod:`mrdib_graph.estimators`; one instance per pair of modalities.
        alpha_kl: :math:`\alpha_1`.
        alpha_redundancy: :math:`\alpha_2`.
        alpha_unique: :math:`\alpha_3`.
        kl_warmup_epochs: Epochs over which the weight of kl rises linearly from 0.
        mean: The bottleneck's mean, ``'identity'`` or ``'linear'``.
        log_var_bias: Start of the log variance.
        decoder: ``'none'`` or ``'linear'``, see :class:`RankingDecoder`.
        estimator_options: Options of the estimator.

    Raises:
        ConfigError: No modality, a negative weight, or an unknown estimator.

    Note:
        The defaults are the library's own (closed-form Gaussian redundancy, no compression).  The
        paper's are ``estimator='mine'``, weights 0.005, 0.05, 0.005 and a decoder per modality:
        the arm ``paper`` of the benchmark.
    """

    def __init__(
        self,
        modalities: Sequence[str],
        embedding_dim: int = 64,
        estimator: str | type[MIEstimator] = "gaussian",
        alpha_kl: float = 0.0,
        alpha_redundancy: float = 3e-4,
        alpha_unique: float = 0.1,
        kl_warmup_epochs: int = 10,
        mean: Literal["identity", "linear"] = "identity",
        log_var_bias: float = -6.0,
        decoder: Literal["none", "linear"] = "none",
        estimator_options: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__()
        if not modalities:
            raise ConfigError("modalities: MRdIB needs at least one, got none")
        for name, weight in (
            ("alpha_kl", alpha_kl),
            ("alpha_redundancy", alpha_redundancy),
            ("alpha_unique", alpha_unique),
            ("kl_warmup_epochs", kl_warmup_epochs),
        ):
            if not weight >= 0:
                raise ConfigError(f"{name}: got {weight}, expected 0 or more")
        self.modalities = list(modalities)
        self.embedding_dim = embedding_dim
        self.alpha_kl = alpha_kl
        self.alpha_redundancy = alpha_redundancy
        self.alpha_unique = alpha_unique
        self.kl_warmup_epochs = kl_warmup_epochs
        self.epoch = 0
        self.bottlenecks = ModuleDict(
            {
                m: GaussianBottleneck(embedding_dim, mean, log_var_bias, stochastic=alpha_kl > 0)
                for m in self.modalities
            }
        )
        self.decoders = ModuleDict(
            {m: RankingDecoder(embedding_dim, decoder) for m in self.modalities}
        )
        self.estimators = ModuleDict()
        cls = resolver.resolve_class(estimator, estimators, MIEstimator, "estimator")
        options = estimator_options or {}
        if alpha_redundancy > 0:
            for a, b in combinations(self.modalities, 2):
                self.estimators[f"{a}|{b}"] = resolver.build(
                    cls, options, "estimator", embedding_dim=embedding_dim
                )

    @property
    def loss_weights(self) -> dict[str, float]:
        """Weight of each term of :meth:`forward`; the critics' own is 1 whatever alpha is."""
        warm = min(1.0, (self.epoch + 1) / self.kl_warmup_epochs) if self.kl_warmup_epochs else 1.0
        return {
            "kl": self.alpha_kl * warm,
            "redundancy": self.alpha_redundancy,
            "unique": self.alpha_unique,
            "estimator": 1.0,
        }

    def prepare_epoch(self, epoch: int) -> None:
        """Set the epoch, counted from 0, that the warm-up depends on."""
        self.epoch = epoch

    def compress(self, rows: Rows, generator: torch.Generator | None = None) -> Codes:
        """Rows of each modality to codes: ``{m: [n, d]}`` -> ``{m: GaussianCode}``.

        Raises:
            ConfigError: An embedding is not d wide.
        """
        present = [m for m in self.modalities if m in rows]
        for m in present:
            if rows[m].size(-1) != self.embedding_dim:
                raise ConfigError(
                    f"embedding_dim: MRdIB has {self.embedding_dim}, the embeddings of '{m}' are "
                    f"{rows[m].size(-1)} wide; give both the same"
                )
        return {m: self.bottlenecks[m](rows[m], generator) for m in present}

    def forward(
        self,
        codes: Mapping[str, Codes],
        unique_loss: Callable[[str], Tensor] | None = None,
        masks: Mapping[str, Tensor] | None = None,
        redundancy_on: Sequence[str] = ("item",),
        generator: torch.Generator | None = None,
    ) -> Terms:
        """The terms on a batch of codes, unweighted.

        Args:
            codes: Node type to its codes, for example of users and of items.
            unique_loss: Modality to the target's loss given that modality's code alone.
            masks: Modality to the item rows that have it [n] bool; all by default.  A masked row
                enters no term.
            redundancy_on: Node types whose codes the redundancy is taken on.
            generator: Source of the random draws.

        Raises:
            ConfigError: ``redundancy_on`` names a node type without codes.
        """
        masks = masks or {}
        terms: Terms = {}
        if self.alpha_kl > 0 and self.training:
            terms["kl"] = self._kl(codes, masks)
        if self.alpha_redundancy > 0 and self.estimators:
            terms |= self._redundancy(codes, masks, redundancy_on, generator)
        if self.alpha_unique > 0 and unique_loss is not None:
            terms["unique"] = torch.stack([unique_loss(m) for m in self.modalities]).sum()
        return terms

    def _kl(self, codes: Mapping[str, Codes], masks: Mapping[str, Tensor]) -> Tensor:
        """Sum over modalities of the mean over nodes."""
        means = []
        for m in self.modalities:
            rows = []
            for node_type, of_type in codes.items():
                if m in of_type:
                    kl = kl_to_standard_normal(of_type[m])
                    mask = masks.get(m) if node_type == "item" else None
                    rows.append(kl if mask is None else kl[mask])
            every = torch.cat(rows)
            means.append(every.sum() / max(1, every.numel()))
        return torch.stack(means).sum()

    def _redundancy(
        self,
        codes: Mapping[str, Codes],
        masks: Mapping[str, Tensor],
        node_types: Sequence[str],
        generator: torch.Generator | None,
    ) -> Terms:
        unknown = [t for t in node_types if t not in codes]
        if unknown:
            raise ConfigError(
                f"redundancy_on: got '{unknown[0]}', expected among {', '.join(codes)}"
            )
        values, learning = [], []
        for pair, estimator in self.estimators.items():
            assert isinstance(estimator, MIEstimator)
            a, b = pair.split("|")
            for node_type in node_types:
                if a not in codes[node_type] or b not in codes[node_type]:
                    continue
                z1, z2 = codes[node_type][a].sample, codes[node_type][b].sample
                present = [masks[m] for m in (a, b) if m in masks and node_type == "item"]
                if present:
                    both = torch.stack(present).all(0)
                    z1, z2 = z1[both], z2[both]
                if z1.size(0) < 2:
                    continue
                values.append(estimator(z1, z2, generator=generator))
                learning.append(estimator.learning_loss(z1, z2, generator=generator))
        if not values:
            return {}
        return {
            "redundancy": torch.stack(values).mean(),
            "estimator": torch.stack(learning).sum(),
        }
