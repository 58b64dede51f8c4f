"""Negatives that a whole batch shares: its scores are one product of two matrices."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from mrdib_graph.negatives.history import History
from mrdib_graph.negatives.sampler import NegativeSampler
from mrdib_graph.options import Count, NonNegative, checked
from mrdib_graph.typing import LogQ, Triplets


class PoolSampler(NegativeSampler):
    r"""A pool of items for each batch, in which a user's own training items are masked.

    The pool is a sample with replacement from a distribution q, so that an item may occur twice.
    With it comes :math:`\log q`, by which a softmax corrects its scores.  A pool of one's own is
    this class with :meth:`weights`, or with :meth:`draw` too.

    Args:
        num_negatives: n, the size of the pool.

    Raises:
        ConfigError: n is below 1.
    """

    @checked
    def __init__(self, num_negatives: Count = 1024) -> None:
        self.num_negatives = num_negatives

    @abstractmethod
    def weights(self) -> Tensor:
        """What q is proportional to [I], float64: 0 for items that are never drawn."""

    def start(self, history: History) -> None:
        """Keep log q of every item, and q cumulated."""
        super().start(history)
        weights = self.weights()
        self._cumulated = weights.cumsum(0)
        self._log_q = (weights / weights.sum()).log().float()

    def draw(self, user: Tensor, batch_size: int, generator: Generator) -> Sequence[Tensor]:
        """The pool [n] of each batch, by bisection in the cumulated weights."""
        steps = -(-user.numel() // batch_size)
        shape = (steps, self.num_negatives)
        place = torch.rand(shape, generator=generator, dtype=torch.float64) * self._cumulated[-1]
        drawn = torch.searchsorted(self._cumulated, place, right=True)
        return drawn.clamp(max=self._cumulated.numel() - 1).unbind()

    def batch(self, user: Tensor, item: Tensor, drawn: Tensor) -> Triplets:
        """The batch with its pool, what of it counts for whom, and log q."""
        log_q = LogQ(self._log_q[item], self._log_q[drawn])
        return Triplets(user, item, drawn, self.history.lacks(user, drawn), log_q)


class SharedSampler(PoolSampler):
    """A pool that is uniform over the items that occur in training."""

    def weights(self) -> Tensor:
        """1 for an item that occurs in training."""
        return (self.history.count > 0).double()


class PopularitySampler(PoolSampler):
    r"""A pool by popularity: :math:`q_i \propto n_i^\beta` with :math:`n_i` training interactions.

    Args:
        num_negatives: n, the size of the pool.
        exponent: :math:`\beta`; 0 is :class:`SharedSampler`, 1 what a batch's own items follow.

    Raises:
        ConfigError: A value is out of range.
    """

    @checked
    def __init__(self, num_negatives: Count = 1024, exponent: NonNegative = 0.5) -> None:
        super().__init__(num_negatives)
        self.exponent = exponent

    def weights(self) -> Tensor:
        """The counts to the power of the exponent."""
        count = self.history.count
        return torch.where(count > 0, count.double() ** self.exponent, 0.0)


class UndrawnSampler(PoolSampler):
    """A pool that follows from the batch or the data: nothing is drawn."""

    def __init__(self) -> None:
        self.num_negatives = 0

    def draw(self, user: Tensor, batch_size: int, generator: Generator) -> Sequence[Tensor]:
        """Nothing."""
        del generator
        return [user.new_empty(0)] * -(-user.numel() // batch_size)


class InBatchSampler(UndrawnSampler):
    """The observed items of the batch, for each of its users.

    No further row is computed.  Popular items stand in many batches, which log q (the share of the
    training interactions) corrects.
    """

    def weights(self) -> Tensor:
        """The number of training interactions."""
        return self.history.count.double()

    def batch(self, user: Tensor, item: Tensor, drawn: Tensor) -> Triplets:
        """The batch with its own items as the pool."""
        del drawn
        return super().batch(user, item, item)


class AllSampler(UndrawnSampler):
    """Every item that occurs in training: exact, at the cost of a score for each of them."""

    def weights(self) -> Tensor:
        """Equal."""
        return (self.history.count > 0).double()

    def batch(self, user: Tensor, item: Tensor, drawn: Tensor) -> Triplets:
        """The batch with the catalogue as the pool."""
        del drawn
        return super().batch(user, item, self.history.candidates)


class HardSampler(SharedSampler):
    """Of a uniform pool the items that each user scores best, as the model stands.

    From `"Optimizing Top-N Collaborative Filtering via Dynamic Negative Item Sampling"
    <https://doi.org/10.1145/2484028.2484126>`_ (Zhang et al., SIGIR 2013), with one pool for the
    batch.  The larger the pool, the more of what is chosen are items that the user would like.

    Args:
        num_negatives: n, how many are kept for each user.
        pool_size: How many they are chosen from.

    Raises:
        ConfigError: A number is below 1.
    """

    @checked
    def __init__(self, num_negatives: Count = 1, pool_size: Count = 32) -> None:
        super().__init__(pool_size)
        self.num_hardest = num_negatives

    def batch(self, user: Tensor, item: Tensor, drawn: Tensor) -> Triplets:
        """The batch with its pool, of which the best-scored are kept once scores are there."""
        batch = super().batch(user, item, drawn)
        return batch._replace(log_q=None, num_hardest=self.num_hardest)
