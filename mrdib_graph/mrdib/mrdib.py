"""MRdIB as a loss module on any dictionary of modality embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn import Module, ModuleDict

from mrdib_graph import estimators, resolver
from mrdib_graph.errors import ConfigError, suggest
from mrdib_graph.estimators import MIEstimator
from mrdib_graph.mrdib.compression import Codes, divergences, mean_over_nodes, per_interaction
from mrdib_graph.mrdib.decoders import RankingDecoder
from mrdib_graph.mrdib.gaussian_bottleneck import GaussianBottleneck
from mrdib_graph.mrdib.redundancy import (
    RedundancyForm,
    build_estimators,
    comparisons,
    redundancy_terms,
)
from mrdib_graph.mrdib.weighting import WeightingName, build_weighting
from mrdib_graph.typing import Rows, Terms

UniqueForm = Literal["alone", "residual"]


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
            :mod:`mrdib_graph.estimators`; one instance per comparison.
        alpha_kl: :math:`\alpha_1`; or a weight for each modality, 0 for those left out, and a term
            ``kl/<modality>`` for each in place of ``kl``; or ``'bound'``, which makes ``ranking``
            and ``kl`` together the evidence bound: a code is paid for once a node, a ranking loss
            once an interaction, so ``kl`` is in nats per interaction and weighs 1.
        alpha_redundancy: :math:`\alpha_2`.
        alpha_unique: :math:`\alpha_3`.
        kl_warmup_epochs: Epochs over which the weight of kl rises linearly from 0.
        mean: The bottleneck's mean, ``'identity'`` or ``'linear'``.
        log_var_bias: Start of the log variance.
        decoder: ``'none'`` or ``'linear'``, see :class:`RankingDecoder`.
        estimator_options: Options of the estimator.
        free_bits: Nats (1 bit is 0.693) that a modality's kl may have for nothing, for all or for
            each: :math:`\max(\lambda_m, \mathrm{KL}_m)` with :math:`\mathrm{KL}_m` its mean over
            nodes, as in https://arxiv.org/abs/1606.04934.
        redundancy: ``'pairwise'``: the mean over pairs, as above; ``'total_correlation'``:
            :math:`\sum_{m \ge 2} I(z_1 .. z_{m-1}; z_m)`, which is the total correlation
            :math:`\sum_m H(z_m) - H(z_1 .. z_M)`.
        unique: ``'alone'``: each code's loss by itself, as above; ``'residual'``: its loss on top
            of the scores of the other codes, held fixed, so that it is asked only for what they
            lack, :math:`-\log p(y | z_m, \mathrm{sg}(z_{-m}))`. Without decoders the gradient is
            that of one ranking loss on the sum of the codes' scores.
        alpha_synergy: Weight of :func:`synergy_hinge`, which is no part of the paper; 0 for none.
        synergy_margin: Its margin, in units of the score.
        weighting: ``'fixed'``, or :class:`UncertaintyWeighting` or :class:`DynamicWeightAverage` by
            ``'uncertainty'`` and ``'dwa'``.

    Raises:
        ConfigError: No modality, a negative weight, or an unknown name.

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
        alpha_kl: float | Mapping[str, float] | Literal["bound"] = 0.0,
        alpha_redundancy: float = 3e-4,
        alpha_unique: float = 0.1,
        kl_warmup_epochs: int = 10,
        mean: Literal["identity", "linear"] = "identity",
        log_var_bias: float = -6.0,
        decoder: Literal["none", "linear"] = "none",
        estimator_options: Mapping[str, object] | None = None,
        free_bits: float | Mapping[str, float] = 0.0,
        redundancy: RedundancyForm = "pairwise",
        unique: UniqueForm = "alone",
        alpha_synergy: float = 0.0,
        synergy_margin: float = 1.0,
        weighting: WeightingName = "fixed",
    ) -> None:
        super().__init__()
        if not modalities:
            raise ConfigError("modalities: MRdIB needs at least one, got none")
        for name, weight in (
            ("alpha_redundancy", alpha_redundancy),
            ("alpha_unique", alpha_unique),
            ("kl_warmup_epochs", kl_warmup_epochs),
            ("alpha_synergy", alpha_synergy),
            ("synergy_margin", synergy_margin),
        ):
            _check(name, weight)
        self.modalities = list(modalities)
        self.embedding_dim = embedding_dim
        self.alpha_kl = alpha_kl
        self.alpha_redundancy = alpha_redundancy
        self.alpha_unique = alpha_unique
        if unique not in get_args(UniqueForm):
            raise ConfigError(f"unique: got {unique!r}, expected alone or residual")
        self.unique = unique
        self.alpha_synergy = alpha_synergy
        self.synergy_margin = synergy_margin
        self.kl_warmup_epochs = kl_warmup_epochs
        self.free_bits = _per_modality("free_bits", free_bits, modalities)
        self.epoch = 0
        self.counts: Mapping[str, int] | None = None
        self.bound = alpha_kl == "bound"
        of_kl = _per_modality("alpha_kl", 1.0 if alpha_kl == "bound" else alpha_kl, modalities)
        self.compressed = [m for m in self.modalities if of_kl[m] > 0]
        self.bottlenecks = ModuleDict(
            {
                m: GaussianBottleneck(embedding_dim, mean, log_var_bias, m in self.compressed)
                for m in self.modalities
            }
        )
        self.decoders = ModuleDict(
            {m: RankingDecoder(embedding_dim, decoder) for m in self.modalities}
        )
        cls = resolver.resolve_class(estimator, estimators, MIEstimator, "estimator")
        self.redundancy = redundancy
        self.comparisons = comparisons(self.modalities, redundancy)
        self.estimators = build_estimators(
            cls,
            self.comparisons if alpha_redundancy > 0 else [],
            embedding_dim,
            estimator_options or {},
        )
        alphas = {"redundancy": alpha_redundancy, "unique": alpha_unique}
        if alpha_synergy > 0:
            alphas["synergy"] = alpha_synergy
        self._kl_terms = (
            {f"kl/{m}": of_kl[m] for m in self.compressed}
            if isinstance(alpha_kl, Mapping)
            else {"kl": of_kl[self.modalities[0]]}
        )
        self.weighting = build_weighting(weighting, {**self._kl_terms, **alphas})

    @property
    def loss_weights(self) -> dict[str, float]:
        """Weight of each term of :meth:`forward`; the critics' own is 1 whatever alpha is."""
        warm = min(1.0, (self.epoch + 1) / self.kl_warmup_epochs) if self.kl_warmup_epochs else 1.0
        weights = self.weighting.weights()
        for name in self._kl_terms:
            weights[name] *= warm
        return {**weights, "estimator": 1.0}

    @property
    def learned_weights(self) -> dict[str, float]:
        """Those of :attr:`loss_weights` that change by the weighting; empty where it is fixed."""
        if not self.weighting.learned:
            return {}
        weights = self.loss_weights
        return {name: weights[name] for name, alpha in self.weighting.alphas.items() if alpha > 0}

    def prepare_epoch(self, epoch: int, counts: Mapping[str, int] | None = None) -> None:
        """Set the epoch, counted from 0, that the warm-up depends on, and the size of the data.

        Args:
            epoch: The epoch.
            counts: Node type to its number of nodes, and ``'interactions'`` to theirs, for
                ``alpha_kl='bound'``.
        """
        self.epoch = epoch
        self.counts = counts
        self.weighting.prepare_epoch(epoch)

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
        alone: Sequence[str] | None = None,
        synergy_loss: Callable[[float], Tensor] | None = None,
    ) -> Terms:
        """The terms on a batch of codes, unweighted.

        Args:
            codes: Node type to its codes, for example of users and of items.
            unique_loss: Modality to the target's loss of the form :attr:`unique`.
            masks: Modality to the item rows that have it [n] bool; all by default.  A masked row
                enters no term.
            redundancy_on: Node types whose codes the redundancy is taken on.
            generator: Source of the random draws.
            alone: Codes that the unique term asks to predict alone; the modalities for None.
            synergy_loss: Margin to the loss of the fused codes against the best single one.

        Raises:
            ConfigError: ``redundancy_on`` names a node type without codes.
        """
        masks = masks or {}
        terms: Terms = {}
        if self.compressed and self.training:
            terms |= self._kl(codes, masks)
        if self.alpha_redundancy > 0 and self.estimators:
            terms |= redundancy_terms(
                self.estimators,
                self.comparisons,
                self.redundancy,
                codes,
                masks,
                redundancy_on,
                generator,
            )
        if self.alpha_unique > 0 and unique_loss is not None:
            terms["unique"] = torch.stack([unique_loss(m) for m in alone or self.modalities]).sum()
        if self.alpha_synergy > 0 and synergy_loss is not None:
            terms["synergy"] = synergy_loss(self.synergy_margin)
        return terms | self.weighting.observe(terms) if self.training else terms

    def _kl(self, codes: Mapping[str, Codes], masks: Mapping[str, Tensor]) -> Terms:
        """Each modality's mean over nodes above its free nats, and their sum under one weight."""
        values = []
        for m in self.compressed:
            rows = divergences(codes, m, masks)
            value = per_interaction(rows, self._counts) if self.bound else mean_over_nodes(rows)
            if self.free_bits[m] and any(kl.numel() for kl in rows.values()):
                value = value.clamp_min(self.free_bits[m])
            values.append(value)
        if "kl" in self._kl_terms:
            return {"kl": torch.stack(values).sum()}
        return dict(zip(self._kl_terms, values, strict=True))

    @property
    def _counts(self) -> Mapping[str, int]:
        if self.counts is None:
            raise ConfigError(
                "alpha_kl: 'bound' needs the size of the data; call "
                "prepare_epoch(epoch, counts) before the first batch"
            )
        return self.counts


def _check(name: str, weight: Any) -> Any:
    try:
        good = weight >= 0
    except TypeError:  # a text, say, in a mapping of a settings file
        good = False
    if not good:
        raise ConfigError(f"{name}: got {weight!r}, expected 0 or more")
    return weight


def _per_modality(
    name: str, value: float | Mapping[str, float], modalities: Sequence[str]
) -> dict[str, float]:
    """One value for all, or that of each modality, 0 for those left out."""
    if not isinstance(value, Mapping):
        return dict.fromkeys(modalities, _check(name, value))
    for m in value:
        if m not in modalities:
            near = suggest(str(m), list(modalities)) or "."
            raise ConfigError(
                f"{name}: there is no modality '{m}'{near} Modalities: {', '.join(modalities)}"
            )
    return {m: _check(f"{name} of '{m}'", value.get(m, 0.0)) for m in modalities}
