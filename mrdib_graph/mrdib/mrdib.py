"""The method on one page: codes in, terms out, on any dictionary of modality embeddings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import Module, ModuleDict

from mrdib_graph import estimators, resolver
from mrdib_graph.errors import ConfigError, suggest
from mrdib_graph.estimators import MIEstimator
from mrdib_graph.losses import kl_to_standard_normal
from mrdib_graph.mrdib.decoders import RankingDecoder
from mrdib_graph.mrdib.gaussian_bottleneck import GaussianBottleneck
from mrdib_graph.mrdib.scores import Scores, on_top_of
from mrdib_graph.options import Count, NonNegative, NonNegativeInt, checked
from mrdib_graph.typing import Codes, Rows, Terms


class Comparison(NamedTuple):
    """The two sides of one estimate: codes side by side, and the code of one more modality."""

    first: tuple[str, ...]
    second: str

    @property
    def name(self) -> str:
        """Key of its estimator, without characters that a module's name cannot have."""
        return f"{'+'.join(self.first)}|{self.second}"


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
    of 0 skips its computation: without ``alpha_kl`` the codes are deterministic.  A variant is a
    subclass that changes :meth:`price`, or :meth:`compared` and :meth:`combine`.

    Args:
        modalities: Names of the embeddings that :meth:`compress` turns into codes; other names in
            its input pass unread.
        embedding_dim: d, the width of every embedding.
        estimator: Mutual-information estimator: a name, or a class of
            :mod:`mrdib_graph.estimators`; one instance per comparison.
        alpha_kl: :math:`\alpha_1`; or a weight for each modality, 0 for those left out, and a term
            ``kl/<modality>`` for each in place of ``kl``.
        alpha_redundancy: :math:`\alpha_2`.
        alpha_unique: :math:`\alpha_3`.
        kl_warmup_epochs: Epochs over which the weight of kl rises linearly from 0.
        mean: The bottleneck's mean, ``'identity'`` or ``'linear'``.
        log_var_bias: Start of the log variance.
        decoder: ``'none'`` or ``'linear'``, see :class:`RankingDecoder`.
        estimator_options: Options of the estimator.
        unique: ``'alone'``: each code's loss by itself, as above; ``'residual'``: its loss on top
            of the scores of the other codes, held fixed, so that it is asked only for what they
            lack, :math:`-\log p(y | z_m, \mathrm{sg}(z_{-m}))`. Without decoders the gradient is
            that of one ranking loss on the sum of the codes' scores.

    Raises:
        ConfigError: No modality, a negative weight, or an unknown name.

    Note:
        The defaults are the library's own (closed-form Gaussian redundancy, no compression).  The
        paper's are ``estimator='mine'``, weights 0.005, 0.05, 0.005 and a decoder per modality:
        the arm ``paper`` of the benchmark.
    """

    @checked
    def __init__(
        self,
        modalities: Sequence[str],
        embedding_dim: Count = 64,
        estimator: str | type[MIEstimator] = "gaussian",
        alpha_kl: NonNegative | Mapping[str, NonNegative] = 0.0,
        alpha_redundancy: NonNegative = 3e-4,
        alpha_unique: NonNegative = 0.1,
        kl_warmup_epochs: NonNegativeInt = 10,
        mean: Literal["identity", "linear"] = "identity",
        log_var_bias: float = -6.0,
        decoder: Literal["none", "linear"] = "none",
        estimator_options: Mapping[str, object] | None = None,
        unique: Literal["alone", "residual"] = "alone",
    ) -> None:
        super().__init__()
        if not modalities:
            raise ConfigError("modalities: MRdIB needs at least one, got none")
        self.modalities = list(modalities)
        self.embedding_dim = embedding_dim
        self.alpha_kl = alpha_kl
        self.alpha_redundancy = alpha_redundancy
        self.alpha_unique = alpha_unique
        self.kl_warmup_epochs = kl_warmup_epochs
        self.unique = unique
        self.epoch = 0
        self.counts: Mapping[str, int] | None = None
        of_kl = per_modality("alpha_kl", alpha_kl, modalities)
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
        self.comparisons = self.compared() if alpha_redundancy > 0 else []
        self.estimators = ModuleDict(
            {c.name: self._estimator(cls, c, estimator_options or {}) for c in self.comparisons}
        )

    @property
    def loss_weights(self) -> dict[str, float]:
        """Weight of each term of :meth:`forward`; the critics' own is 1 whatever alpha is."""
        warm = min(1.0, (self.epoch + 1) / self.kl_warmup_epochs) if self.kl_warmup_epochs else 1.0
        if isinstance(self.alpha_kl, Mapping):
            of_kl = {f"kl/{m}": self.alpha_kl[m] * warm for m in self.compressed}
        else:
            of_kl = {"kl": self.alpha_kl * warm}
        fixed = {"redundancy": self.alpha_redundancy, "unique": self.alpha_unique}
        return {**of_kl, **fixed, "estimator": 1.0}

    def prepare_epoch(self, epoch: int, counts: Mapping[str, int] | None = None) -> None:
        """Set the epoch, counted from 0, that the warm-up depends on, and the size of the data.

        Args:
            epoch: The epoch.
            counts: Node type to its number of nodes, and ``'interactions'`` to theirs.
        """
        self.epoch = epoch
        self.counts = counts

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

    def decode(self, codes: Codes) -> Rows:
        """What each code scores alone by: :math:`D_m(z_m)`, the code itself without a decoder."""
        return {m: self.decoders[m](code.sample) for m, code in codes.items()}

    def forward(
        self,
        codes: Mapping[str, Codes],
        scores: Scores | None = None,
        target_loss: Callable[[Any], Tensor] | None = None,
        redundancy_on: Sequence[str] = ("item",),
        generator: torch.Generator | None = None,
    ) -> Terms:
        r"""The terms on a batch of codes, unweighted.

        Args:
            codes: Node type to its codes, for example of users and of items.
            scores: How the codes score, and which item rows have which modality; without it there
                is no unique term and every row counts.
            target_loss: Score, as ``scores`` has them, to the loss of the target:
                :math:`-\log p(y | \cdot)`.
            redundancy_on: Node types whose codes the redundancy is taken on.
            generator: Source of the random draws.

        Raises:
            ConfigError: ``redundancy_on`` names a node type without codes, or scores of codes
                alone come without ``target_loss``.
        """
        scores = scores or Scores()
        terms: Terms = {}
        if self.compressed and self.training:
            prices = [self.price(m, _kl_rows(codes, m, scores.masks)) for m in self.compressed]
            if isinstance(self.alpha_kl, Mapping):
                terms = {f"kl/{m}": kl for m, kl in zip(self.compressed, prices, strict=True)}
            else:
                terms = {"kl": torch.stack(prices).sum()}

        values, learning, types = [], [], set()
        for comparison in self.comparisons:
            estimator = self.estimators[comparison.name]
            assert isinstance(estimator, MIEstimator)
            for node_type in redundancy_on:
                z1, z2 = _shared_rows(codes, node_type, comparison, scores.masks)
                if z1.size(0) > 1:
                    values.append(estimator(z1, z2, generator=generator))
                    learning.append(estimator.learning_loss(z1, z2, generator=generator))
                    types.add(node_type)
        if values:
            terms["redundancy"] = self.combine(torch.stack(values), len(types))
            terms["estimator"] = torch.stack(learning).sum()

        if self.alpha_unique > 0 and scores.alone:
            if target_loss is None:
                raise ConfigError("target_loss: got none, expected the loss of scores.alone")
            losses = []
            for m in scores.alone:
                rest = [k for k in scores.alone if k != m] if self.unique == "residual" else []
                others = [scores.alone[k] for k in rest]
                losses.append(target_loss(on_top_of(scores.alone[m], others)))
            terms["unique"] = torch.stack(losses).sum()
        return terms

    def price(self, modality: str, kl: Mapping[str, Tensor]) -> Tensor:
        """What the codes of a modality cost []: the mean over nodes of all types; 0 of none.

        Args:
            modality: Its name.
            kl: Node type to the KL of each code [n], in nats.
        """
        del modality
        return mean_or_zero(torch.cat(list(kl.values())))

    def compared(self) -> list[Comparison]:
        """What the redundancy compares: every pair."""
        return [Comparison((a,), b) for a, b in combinations(self.modalities, 2)]

    def combine(self, values: Tensor, num_types: int) -> Tensor:
        """The redundancy [] from the estimates of all comparisons on all node types: their mean."""
        del num_types
        return values.mean()

    def _estimator(
        self, cls: type[MIEstimator], comparison: Comparison, options: Mapping[str, object]
    ) -> MIEstimator:
        count = len(comparison.first)
        takes_width = "first_dim" in inspect.signature(cls).parameters
        if count > 1 and not takes_width:
            raise ConfigError(
                f"redundancy: {type(self).__name__} compares a code with {count} codes side by "
                f"side, and {cls.__name__} has no option first_dim for their width; give it one, "
                "or use MRdIB, which compares pairs"
            )
        width = {"first_dim": count * self.embedding_dim} if takes_width else {}
        built: MIEstimator = resolver.build(
            cls, options, "estimator", embedding_dim=self.embedding_dim, **width
        )
        return built


def _kl_rows(
    codes: Mapping[str, Codes], modality: str, masks: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """KL in nats of every code of a modality, by node type: ``{type: [n]}``."""
    rows = {}
    for node_type, of_type in codes.items():
        if modality in of_type:
            kl = kl_to_standard_normal(of_type[modality])
            mask = masks.get(modality) if node_type == "item" else None
            rows[node_type] = kl if mask is None else kl[mask]
    return rows


def _shared_rows(
    codes: Mapping[str, Codes], node_type: str, compared: Comparison, masks: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """Both sides [n, p], [n, d] on the rows that have all the modalities; none without codes."""
    if node_type not in codes:
        raise ConfigError(f"redundancy_on: got '{node_type}', expected among {', '.join(codes)}")
    names = (*compared.first, compared.second)
    if any(m not in codes[node_type] for m in names):
        return torch.empty(0, 0), torch.empty(0, 0)
    samples = [codes[node_type][m].sample for m in names]
    present = [masks[m] for m in names if m in masks and node_type == "item"]
    if present:
        every = torch.stack(present).all(0)
        samples = [z[every] for z in samples]
    *first, second = samples
    return first[0] if len(first) == 1 else torch.cat(first, -1), second


def mean_or_zero(x: Tensor) -> Tensor:
    """Mean of [n], 0 where n is 0."""
    return x.sum() / max(1, x.numel())


def per_modality(
    name: str, value: float | Mapping[str, float], modalities: Sequence[str]
) -> dict[str, float]:
    """One value for all, or that of each modality, 0 for those left out.

    Raises:
        ConfigError: A value of another modality; the message names the nearest one.
    """
    if not isinstance(value, Mapping):
        return dict.fromkeys(modalities, value)
    for m in value:
        if m not in modalities:
            near = suggest(str(m), list(modalities)) or "."
            raise ConfigError(
                f"{name}: there is no modality '{m}'{near} Modalities: {', '.join(modalities)}"
            )
    return {m: value.get(m, 0.0) for m in modalities}
