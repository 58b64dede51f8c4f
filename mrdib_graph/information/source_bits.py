"""Bits of every set of sources that a profile asks for, each read once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph.information.gaussian_reader import GaussianReader
from mrdib_graph.information.held_out_choices import HeldOutChoices
from mrdib_graph.information.joint_sources import joint_sources
from mrdib_graph.information.knock_out import FusedScore, Tables
from mrdib_graph.information.probe import Probe
from mrdib_graph.information.profile_config import ProfileConfig
from mrdib_graph.information.reader import BitsOfRows, Columns, Reader, make_columns
from mrdib_graph.information.sources import make_source, present_items
from mrdib_graph.typing import Embeddings

RIDGES = (3.0, 30.0, 300.0)


class SourceBits:
    """Bits of sets of sources on the same rows and candidates, each set read once.

    Args:
        rows: Held-out interactions.
        codes: Checked codes.
        data: The graph.
        names: Modalities.
        own: The backbone's own names.
        config: How to measure.
        fused_score: The recommender's fused tables of some names, None where there is none.
    """

    def __init__(
        self,
        rows: HeldOutChoices,
        codes: Embeddings,
        data: HeteroData,
        names: Sequence[str],
        own: Sequence[str],
        config: ProfileConfig,
        fused_score: FusedScore | None,
    ) -> None:
        self.rows = rows
        self.has_fused = fused_score is not None
        self._fused_score = fused_score
        self.names = tuple(names)
        self._known: dict[tuple[tuple[str, ...], bool], BitsOfRows] = {}
        self.columns: dict[str, Columns] = {}
        for name in (*names, *own):
            source = make_source(
                codes["user"][name],
                codes["item"][name],
                rows.popularity,
                present_items(data, name),
                config.directions,
            )
            self.columns[name] = make_columns(source, rows)
        self.reader: Reader
        self.ridge = 0.0
        if config.rule == "gaussian":
            self.reader = GaussianReader(rows)
            return
        self.ridge = self._best_ridge(config) if config.ridge == "auto" else float(config.ridge)
        self.reader = Probe(rows, self.ridge, config.target)

    def _best_ridge(self, config: ProfileConfig) -> float:
        columns = [self.columns[name] for name in self.names]
        bits = {r: Probe(self.rows, r, config.target).read(columns).bits.mean() for r in RIDGES}
        return max(RIDGES, key=lambda ridge: float(bits[ridge]))

    def single(self, name: str) -> BitsOfRows:
        """One source alone."""
        return self.additive((name,))

    def additive(self, names: tuple[str, ...]) -> BitsOfRows:
        """Several sources, their products re-weighted and added, with their joint scores."""
        return self._read(names, fused=False)

    def joint(self, names: tuple[str, ...]) -> BitsOfRows:
        """Several sources as in :meth:`additive`, with their fused score as one more column."""
        return self._read(names, fused=self.has_fused)

    def fused(self) -> Tensor:
        """Bits [n] of the full fused score alone, the backbone's own tables included."""
        assert self._fused_score is not None
        return self.reader.read([self._fused_columns(list(self.columns))]).bits

    def bits_of_tables(self, tables: Tables) -> float:
        """Mean bits of the inner product of two fused tables."""
        return float(self.reader.read([self._columns(tables)]).bits.mean())

    def _read(self, names: tuple[str, ...], fused: bool) -> BitsOfRows:
        key = (names, fused)
        if key not in self._known:
            columns = [self.columns[name] for name in names]
            together = joint_sources([c.source for c in columns])
            columns += [make_columns(source, self.rows) for source in together]
            if fused:
                columns.append(self._fused_columns(names))
            nothing = BitsOfRows(torch.zeros(self.rows.user.numel()).double(), ())
            self._known[key] = self.reader.read(columns) if columns else nothing
        return self._known[key]

    def _fused_columns(self, names: Sequence[str]) -> Columns:
        assert self._fused_score is not None
        return self._columns(self._fused_score(list(names)))

    def _columns(self, tables: Tables) -> Columns:
        source = make_source(*tables, self.rows.popularity, None, 0)
        return make_columns(source, self.rows)
