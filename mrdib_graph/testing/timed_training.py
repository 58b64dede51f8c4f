"""A recommender in training, one step at a time, for measurements."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch
from torch import Generator
from torch_geometric.data import HeteroData

from mrdib_graph import backbones, resolver
from mrdib_graph.backbones import Backbone
from mrdib_graph.backbones.late_fusion import LateFusion
from mrdib_graph.loader import TripletLoader
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing.measure import Timer
from mrdib_graph.training import training_step
from mrdib_graph.typing import Terms, Triplets


def backbones_of(query: str) -> list[str]:
    """Backbone names of a comma list or ``all``."""
    names = resolver.choices(backbones, Backbone) if query == "all" else query.split(",")
    return sorted(names) if query == "all" else [name for name in names if name]


class TimedTraining:
    """A backbone in training, everything from seed 0.

    Args:
        name: The backbone.
        data: The graph.
        late: Whether it stands on late fusion.
        mrdib: Whether MRdIB stands beside it, with its defaults.
        batch_size: Observed interactions per step.
        reg_fused: Weight of the L2 term on fused rows.
        loss: Ranking loss, with the sampler that it names; None for the backbone's own.
        options: Of the backbone.
    """

    def __init__(
        self,
        name: str,
        data: HeteroData,
        late: bool = False,
        mrdib: bool = False,
        batch_size: int = 2048,
        reg_fused: float = 0.01,
        loss: str | None = None,
        **options: Any,
    ) -> None:
        torch.manual_seed(0)
        cls = resolver.resolve_class(name, backbones, Backbone, "backbone")
        backbone: Backbone = cls.from_data(data, **options)
        if late:
            backbone = LateFusion.from_data(data, inner=backbone)
        self.data = backbone.prepare(data)
        part = MRdIB(backbone.modalities, backbone.embedding_dim) if mrdib else None
        self.recommender = Recommender(backbone, part, loss, reg_fused=reg_fused).train()
        self.optimizer = torch.optim.Adam(self.recommender.parameters(), fused=True)
        drawn = self.recommender.ranking_loss.negatives
        self.loader = TripletLoader(
            self.data, batch_size, generator=Generator().manual_seed(0), negatives=drawn
        )
        self.noise = Generator().manual_seed(0)
        self.at = 0
        self._sampled: Iterator[Triplets] = iter(())

    @cached_property
    def batches(self) -> list[Triplets]:
        """The batches of an epoch."""
        return list(self.loader)

    def begin_epoch(self) -> None:
        """Have the next step be an epoch's first."""
        self.recommender.prepare_epoch(self.data, 0, self.noise)
        self.at = 0

    def learn(self, batch: Triplets) -> Terms:
        """One step on a batch."""
        return training_step(self.recommender, self.data, batch, self.optimizer, self.noise)

    def step(self) -> None:
        """One step on the next batch; the last one of an epoch is shorter and left out."""
        batch = self.batches[self.at % max(1, len(self.batches) - 1)]
        self.at += 1
        self.learn(batch)

    def sampled_step(self) -> None:
        """One step on a batch that is sampled for it, the sampling included."""
        batch = next(self._sampled, None)
        if batch is None:
            self._sampled = self.loader.epoch()
            batch = next(self._sampled)
        self.learn(batch)

    def first_steps(self) -> None:
        """The first two steps of an epoch: what is rebuilt is rebuilt."""
        self.begin_epoch()
        self.step()
        self.step()

    def epoch_seconds(self, timer: Timer) -> float:
        """Seconds of an epoch, from its first two steps and a later one."""
        first, later = timer(self.first_steps, self.step)
        return first + (len(self.loader) - 2) * later
