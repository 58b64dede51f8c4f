"""Negatives that every observed item has of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from mrdib_graph.negatives.sampler import NegativeSampler
from mrdib_graph.options import Count, checked
from mrdib_graph.typing import Triplets


class UniformSampler(NegativeSampler):
    """Items of its own for each observed one, uniform over those that occur in training.

    An item is redrawn while it is in the user's training history.

    Args:
        num_negatives: n.

    Raises:
        ConfigError: n is below 1.
    """

    @checked
    def __init__(self, num_negatives: Count = 1) -> None:
        self.num_negatives = num_negatives

    def draw(self, user: Tensor, batch_size: int, generator: Generator) -> Sequence[Tensor]:
        """Negatives [B, n] of each batch, drawn for the whole epoch in a few passes."""
        return torch.split(self.sample(user, generator), batch_size)

    def batch(self, user: Tensor, item: Tensor, drawn: Tensor) -> Triplets:
        """The batch with its negatives."""
        return Triplets(user, item, drawn)

    def sample(self, user: Tensor, generator: Generator) -> Tensor:
        """Items outside each user's training history: [E] -> [E, n]."""
        wanted = user.repeat_interleave(self.num_negatives)
        negative = self._uniform(wanted.numel(), generator)
        pending = self.history.has(wanted, negative).nonzero().squeeze(1)
        while pending.numel():
            negative[pending] = self._uniform(pending.numel(), generator)
            still = self.history.has(wanted[pending], negative[pending])
            pending = pending[still]
        return negative.view(-1, self.num_negatives)

    def _uniform(self, count: int, generator: Generator) -> Tensor:
        items = self.history.candidates
        return items[torch.randint(items.numel(), (count,), generator=generator)]
