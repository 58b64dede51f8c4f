"""Amounts, differences and splits with their intervals, from the bits of each interaction."""

from __future__ import annotations

import itertools
import logging

import torch
from torch import Tensor

from mrdib_graph.information.bootstrap import bootstrap_means, interval, standard_errors
from mrdib_graph.information.profile_config import ProfileConfig
from mrdib_graph.information.result import Bits, PairInformation
from mrdib_graph.information.rules import binned_split, pair_union, redundant, scores
from mrdib_graph.information.source_bits import SourceBits
from mrdib_graph.partial_information import PartialInformation

Key = tuple[str, ...]
ALL: Key = ("all",)
REFITS = 20
_OVERLAP_MARGIN = 0.02  # bits on both sides of R where the overlap is held fixed
_RAISE_LOGGED = 0.01

_log = logging.getLogger(__name__)


class Measure:
    """Means over interactions and over bootstrap draws of users of every set that is asked for.

    Args:
        source_bits: Bits of sets of sources.
        config: How to measure.
    """

    def __init__(self, source_bits: SourceBits, config: ProfileConfig) -> None:
        self._source_bits = source_bits
        self._config = config
        names = source_bits.names
        bits: dict[Key, Tensor] = {(n,): source_bits.single(n).bits for n in source_bits.columns}
        if config.pairs:
            for pair in itertools.combinations(names, 2):
                bits[(*pair, "additive")] = source_bits.additive(pair).bits
                bits[(*pair, "joint")] = source_bits.joint(pair).bits
        bits[ALL] = source_bits.joint(names).bits
        bits[("all", "additive")] = source_bits.additive(names).bits
        for name in names:
            rest = tuple(n for n in names if n != name)
            bits[("all without", name)] = source_bits.joint(rest).bits
        if source_bits.has_fused:
            bits[("fused",)] = source_bits.fused()
        self._column = {key: at for at, key in enumerate(bits)}
        self._bits = torch.stack(list(bits.values()), 1)  # [n, sets]
        self._users = source_bits.rows.users[1]
        self._generator = torch.Generator().manual_seed(config.seed)
        self._means = bootstrap_means(
            self._bits, self._users, config.bootstrap, self._generator
        )  # [1 + draws, sets]

    def bits(self, key: Key) -> Bits:
        """The amount of a set; not below 0 in ``value``."""
        at = self._column[key]
        return self._amount(self._bits[:, at], self._means[:, at])

    def difference(self, key: Key, less: Key) -> Bits:
        """The amount of one set less that of another, with the interval of the difference."""
        a, b = self._column[key], self._column[less]
        return self._amount(
            self._bits[:, a] - self._bits[:, b], self._means[:, a] - self._means[:, b]
        )

    def _amount(self, rows: Tensor, means: Tensor) -> Bits:
        raw = float(means[0])
        se = float(standard_errors(rows.unsqueeze(1), self._users)[0])
        return Bits(max(raw, 0.0), se, *interval(means[1:]), raw)

    def pair(self, pair: tuple[str, str]) -> PairInformation:
        """Redundant, unique and synergistic bits of two modalities."""
        if self._config.rule == "broja_binned":
            return self._binned(pair)
        i1, i2, i12, additive = self._pair_means(pair)
        overlap, union_converged = i1.new_zeros(1), True
        if self._config.rule in ("union", "gaussian"):
            overlap, union_converged = self._overlap(pair)
        r = redundant(self._config.rule, i1, i2, i12, additive, overlap)
        parts = torch.stack([r, i1 - r, i2 - r, i12 - i1 - i2 + r, i12], 1)  # [1 + draws, 5]
        bounds = [interval(column) for column in parts[1:].unbind(1)]
        if self._config.rule in ("union", "gaussian") and not self._config.refit:
            least, most = bounds[0]
            bounds[0] = (max(0.0, least - _OVERLAP_MARGIN), most + _OVERLAP_MARGIN)
        low, high = map(PartialInformation.from_parts, zip(*bounds, strict=True))
        split = PartialInformation.from_parts(parts[0].tolist())
        total = float(i1[0] + i2[0])
        return PairInformation(
            pair,
            split,
            low,
            high,
            split.redundant / total if total > 0 else 0.0,
            total - split.redundant,
            union_converged,
        )

    def _pair_means(self, pair: tuple[str, str]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """I_1, I_2, I_12 and the additive I_12 on all rows and in each draw, not below 0."""
        keys = [(pair[0],), (pair[1],), (*pair, "joint"), (*pair, "additive")]
        columns = [self._means[:, self._column[key]] for key in keys]
        i1, i2, joint, additive = (column.clamp_min(0) for column in columns)
        i12 = torch.stack([i1, i2, joint, additive]).amax(0)
        raised = float(i12[0] - joint[0])
        if raised > _RAISE_LOGGED:
            _log.info(
                "I_12 of %s and %s raised by %.3f bits to that of a smaller probe", *pair, raised
            )
        return i1, i2, i12, additive

    def _overlap(self, pair: tuple[str, str]) -> tuple[Tensor, bool]:
        """Overlap of a pair for all rows and each draw [1 or 1 + draws]; did it converge."""
        source_bits, rows = self._source_bits, self._source_bits.rows
        first, second = (source_bits.columns[name] for name in pair)
        sources = (first.source, second.source)
        weights = (source_bits.single(pair[0]).weights[0], source_bits.single(pair[1]).weights[0])
        unions = [pair_union(sources, weights, rows)]
        if self._config.refit:
            refit = source_bits.reader.weights
            unions += [
                pair_union(sources, (refit(first, weight), refit(second, weight)), rows, weight)
                for weight in self._resampled()
            ]
        overlaps = self._bits.new_tensor([union.overlap for union in unions])
        if self._config.refit:
            chosen = torch.randint(REFITS, (self._config.bootstrap,), generator=self._generator)
            overlaps = torch.cat([overlaps[:1], overlaps[1:][chosen]])
        return overlaps, all(union.converged for union in unions)

    def _binned(self, pair: tuple[str, str]) -> PairInformation:
        source_bits = self._source_bits
        first, second = (
            scores(
                source_bits.columns[n].source, source_bits.single(n).weights[0], source_bits.rows
            )
            for n in pair
        )
        split = binned_split(first, second)
        low = high = None
        if self._config.refit:
            draws = [binned_split(first, second, w).parts for w in self._resampled()]
            bounds = [interval(c) for c in torch.tensor(draws, dtype=torch.float64).unbind(1)]
            low, high = map(PartialInformation.from_parts, zip(*bounds, strict=True))
        total = 2 * split.redundant + sum(split.unique)
        overlap = split.redundant / total if total > 0 else 0.0
        return PairInformation(pair, split, low, high, overlap, total - split.redundant, True)

    def _resampled(self) -> list[Tensor]:
        """Weights of the rows [n] in draws of users: how often each one's user was drawn."""
        users = int(self._users.max()) + 1
        draws = torch.randint(users, (REFITS, users), generator=self._generator)
        return [torch.bincount(d, minlength=users).double()[self._users] for d in draws]
