"""The abstract sampler of negatives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Generator, Tensor

from mrdib_graph.negatives.history import History
from mrdib_graph.typing import Triplets


class NegativeSampler(ABC):
    """Draws the items that a batch's observed ones are compared with.

    An epoch is drawn at once, before its first step, so that a run that stops inside one goes on
    to the same draws; what a step needs beside them is made when the step comes.
    """

    history: History

    def start(self, history: History) -> None:
        """Told the training interactions, once."""
        self.history = history

    @abstractmethod
    def draw(self, user: Tensor, batch_size: int, generator: Generator) -> Sequence[Tensor]:
        """The draws of one epoch, an entry for each of its batches.

        Args:
            user: Users of the epoch in their order [E].
            batch_size: B.
            generator: Source of the draws.
        """

    @abstractmethod
    def batch(self, user: Tensor, item: Tensor, drawn: Tensor) -> Triplets:
        """What one step compares.

        Args:
            user: Users of the batch [B].
            item: Their observed items [B].
            drawn: The batch's entry of :meth:`draw`.
        """
