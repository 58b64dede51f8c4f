"""Shuffled training interactions with sampled items that the user has not seen."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import DataError
from mrdib_graph.options import Count, checked
from mrdib_graph.typing import Triplets


class TripletLoader:
    """One epoch is one shuffled pass over the training interactions, negatives included.

    Each observed pair gets ``num_negatives`` items, uniform over the items that occur in
    training, redrawn while they are in the user's training history.  A whole epoch is drawn in a
    few vectorised passes, so a step only slices.  The state of the generator at the start of an
    epoch is its whole state: ``epoch(skip)`` continues inside one.

    Args:
        data: The graph with its training split.
        batch_size: B; the last batch may be smaller and is kept.
        num_negatives: n, sampled items per observed one.
        generator: Source of the draws, on the CPU.

    Raises:
        ConfigError: A size below 1.
        DataError: The training split is empty, or a user has every item in the training history,
            so nothing can be sampled.
    """

    @checked
    def __init__(
        self,
        data: HeteroData,
        batch_size: Count = 2048,
        num_negatives: Count = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        self.batch_size = batch_size
        self.num_negatives = num_negatives
        self.generator = generator or torch.Generator()
        self.num_items = graph.num_items(data)
        self.device = graph.interactions(data, "train").device
        self.user: Tensor
        self.item: Tensor
        self.user, self.item = graph.interactions(data, "train").cpu()
        if not self.user.numel():
            raise DataError("the training split is empty, so there is nothing to sample from")
        self.candidates: Tensor = torch.unique(self.item)
        self._seen: Tensor = (self.user * self.num_items + self.item).sort().values
        full = self.user.bincount() >= self.candidates.numel()
        if bool(full.any()):
            raise DataError(
                f"user {int(full.nonzero()[0])} has all {self.candidates.numel()} items of the "
                "training split in the history, so no item is left to sample as unobserved"
            )

    def __len__(self) -> int:
        return -(-self.user.numel() // self.batch_size)

    def __iter__(self) -> Iterator[Triplets]:
        return self.epoch()

    def epoch(self, skip: int = 0) -> Iterator[Triplets]:
        """The batches of one epoch, without the first ``skip``."""
        order = torch.randperm(self.user.numel(), generator=self.generator)
        user, item = self.user[order], self.item[order]
        negative = self.sample(user)
        user, item, negative = (t.to(self.device) for t in (user, item, negative))
        for start in range(skip * self.batch_size, user.numel(), self.batch_size):
            rows = slice(start, start + self.batch_size)
            yield Triplets(user[rows], item[rows], negative[rows])

    def steps(self, data: HeteroData, skip: int = 0) -> Iterator[tuple[HeteroData, Triplets]]:
        """Graph and batch of each step of one epoch, without the first ``skip``."""
        for batch in self.epoch(skip):
            yield data, batch

    def sample(self, user: Tensor) -> Tensor:
        """Items outside each user's training history: [B] -> [B, n]."""
        wanted = user.repeat_interleave(self.num_negatives)
        negative = self._draw(wanted.numel())
        pending = self._in_history(wanted, negative).nonzero().squeeze(1)
        while pending.numel():
            negative[pending] = self._draw(pending.numel())
            still = self._in_history(wanted[pending], negative[pending])
            pending = pending[still]
        return negative.view(-1, self.num_negatives)

    def _draw(self, count: int) -> Tensor:
        index = torch.randint(self.candidates.numel(), (count,), generator=self.generator)
        return self.candidates[index]

    def _in_history(self, user: Tensor, item: Tensor) -> Tensor:
        key = user * self.num_items + item
        place = torch.searchsorted(self._seen, key).clamp(max=self._seen.numel() - 1)
        return self._seen[place] == key
