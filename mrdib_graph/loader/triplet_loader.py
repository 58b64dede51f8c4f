"""Shuffled training interactions with sampled items that the user has not seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch_geometric.data import HeteroData

from mrdib_graph import graph, negatives, resolver
from mrdib_graph.negatives import History, NegativeSampler
from mrdib_graph.options import Count, checked
from mrdib_graph.typing import Triplets


class TripletLoader:
    """One epoch is one shuffled pass over the training interactions, negatives included.

    The state of the generator at the start of an epoch is its whole state: ``epoch(skip)``
    continues inside one.

    Args:
        data: The graph with its training split.
        batch_size: B; the last batch may be smaller and is kept.
        num_negatives: n, sampled items; the sampler's own default for None.
        generator: Source of the draws, on the CPU.
        negatives: The sampler of :mod:`mrdib_graph.negatives`: a name, a class or an instance.

    Raises:
        ConfigError: A size below 1, or a number that the sampler does not take.
        DataError: The training split is empty, or a user has every item in the training history,
            so nothing can be sampled.
    """

    @checked
    def __init__(
        self,
        data: HeteroData,
        batch_size: Count = 2048,
        num_negatives: Count | None = None,
        generator: torch.Generator | None = None,
        negatives: str | type[NegativeSampler] | NegativeSampler = "uniform",
    ) -> None:
        self.batch_size = batch_size
        self.generator = generator or torch.Generator()
        self.negatives = sampler(negatives, num_negatives)
        self.history = History(data)
        self.negatives.start(self.history)
        self.num_items = self.history.num_items
        self.device = graph.interactions(data, "train").device

    def __len__(self) -> int:
        return -(-self.history.user.numel() // self.batch_size)

    def __iter__(self) -> Iterator[Triplets]:
        return self.epoch()

    def epoch(self, skip: int = 0) -> Iterator[Triplets]:
        """The batches of one epoch, without the first ``skip``."""
        order = torch.randperm(self.history.user.numel(), generator=self.generator)
        user, item = self.history.user[order], self.history.item[order]
        drawn = self.negatives.draw(user, self.batch_size, self.generator)
        for step in range(skip, len(self)):
            rows = slice(step * self.batch_size, (step + 1) * self.batch_size)
            yield self.negatives.batch(user[rows], item[rows], drawn[step]).to(self.device)

    def steps(self, data: HeteroData, skip: int = 0) -> Iterator[tuple[HeteroData, Triplets]]:
        """Graph and batch of each step of one epoch, without the first ``skip``."""
        for batch in self.epoch(skip):
            yield data, batch


def sampler(
    query: str | type[NegativeSampler] | NegativeSampler,
    num_negatives: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> NegativeSampler:
    """A sampler of negatives by name, class or ``file.py:Class``, or an instance as it is.

    Raises:
        ConfigError: Nothing fits, or it has no such option.
    """
    number = {} if num_negatives is None else {"num_negatives": num_negatives}
    made: NegativeSampler = resolver.make(
        query, negatives, NegativeSampler, "negatives", {**number, **(options or {})}
    )
    return made
