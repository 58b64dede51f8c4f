"""Amounts, differences and splits with their intervals, from the bits of each interaction."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from mrdib_graph.information.bootstrap import bootstrap_means, interval, standard_errors
from mrdib_graph.information.profile_config import ProfileConfig
from mrdib_graph.information.result import Bits, PairInformation, flat_parts
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
        read: SourceBits of sets of sources.
        names: Modalities.
        own: The backbone's own names.
        config: How to measure.
    """

    def __init__(
        self, read: SourceBits, names: Sequence[str], own: Sequence[str], config: ProfileConfig
    ) -> None:
        self._read = read
        self._config = config
        everything = tuple(names)
        bits: dict[Key, Tensor] = {(n,): read.single(n).bits for n in (*names, *own)}
        if config.pairs:
            for pair in itertools.combinations(names, 2):
                bits[(*pair, "additive")] = read.additive(pair).bits
                bits[(*pair, "joint")] = read.joint(pair).bits
        bits[ALL] = read.joint(everything).bits
        bits[("all", "additive")] = read.additive(everything).bits
        for name in names:
            rest = tuple(n for n in everything if n != name)
            bits[("all without", name)] = read.joint(rest).bits
        if read.has_fused:
            bits[("fused",)] = read.fused()
        self._column = {key: at for at, key in enumerate(bits)}
        self._bits = torch.stack(list(bits.values()), 1)  # [n, sets]
        self._users = read.rows.users[1]
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
            low, high = bounds[0]
            bounds[0] = (max(0.0, low - _OVERLAP_MARGIN), high + _OVERLAP_MARGIN)
        split = _as_split(parts[0].tolist())
        total = float(i1[0] + i2[0])
        return PairInformation(
            pair,
            split,
            _as_split([low for low, _ in bounds]),
            _as_split([high for _, high in bounds]),
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
        columns = (self._read.columns[pair[0]], self._read.columns[pair[1]])
        sources = (columns[0].source, columns[1].source)
        weights = (self._read.single(pair[0]).weights[0], self._read.single(pair[1]).weights[0])
        found = pair_union(sources, weights, self._read.rows)
        if not self._config.refit:
            return self._bits.new_tensor([found.overlap]), found.converged
        overlaps, converged = [], found.converged
        for weight in self._resampled():
            read = self._read.reader.weights
            again = (read(columns[0], weight), read(columns[1], weight))
            refit = pair_union(sources, again, self._read.rows, weight)
            overlaps.append(refit.overlap)
            converged = converged and refit.converged
        chosen = torch.randint(REFITS, (self._config.bootstrap,), generator=self._generator)
        drawn = self._bits.new_tensor(overlaps)[chosen]
        return torch.cat([drawn.new_tensor([found.overlap]), drawn]), converged

    def _binned(self, pair: tuple[str, str]) -> PairInformation:
        score = [
            scores(self._read.columns[n].source, self._read.single(n).weights[0], self._read.rows)
            for n in pair
        ]
        split = binned_split(score[0], score[1])
        low = high = None
        if self._config.refit:
            draws = [flat_parts(binned_split(score[0], score[1], w)) for w in self._resampled()]
            bounds = [interval(c) for c in torch.tensor(draws, dtype=torch.float64).unbind(1)]
            low, high = (_as_split([b[side] for b in bounds]) for side in (0, 1))
        total = 2 * split.redundant + sum(split.unique)
        overlap = split.redundant / total if total > 0 else 0.0
        return PairInformation(pair, split, low, high, overlap, total - split.redundant, True)

    def _resampled(self) -> list[Tensor]:
        """Weights of the rows [n] in draws of users: how often each one's user was drawn."""
        users = int(self._users.max()) + 1
        draws = torch.randint(users, (REFITS, users), generator=self._generator)
        return [torch.bincount(d, minlength=users).double()[self._users] for d in draws]


def _as_split(parts: Sequence[float]) -> PartialInformation:
    redundant_bits, first, second, synergistic, total = parts
    return PartialInformation(redundant_bits, (first, second), synergistic, total)
