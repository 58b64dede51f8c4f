"""The base of the ranking losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor
from torch.nn import Module

from mrdib_graph.errors import ConfigError
from mrdib_graph.losses.pair_scores import PairRows, PairScores


class RankingLoss(Module, ABC):
    """What the scores of observed items should be beside those of others.

    One of your own is this class and one method; it serves for every ranking term: that of the
    fused score, of each code alone, and of what a control leaves.
    """

    @abstractmethod
    def forward(self, scores: PairScores) -> Tensor:
        """The loss [], a mean over the B observed items."""

    def rows_of(self, scores: PairScores) -> PairRows:
        """The rows behind the scores.

        Raises:
            ConfigError: The scores are sums, which have none.
        """
        if scores.rows is None:
            raise ConfigError(
                f"loss: {type(self).__name__} reads the rows behind a score, which a sum of scores "
                "does not have; use unique: alone, or another loss"
            )
        return scores.rows

    # Advanced: what a recommender and a trainer ask.

    negatives: ClassVar[str] = "uniform"
    """The sampler that is used where none is named."""

    nats: ClassVar[bool] = False
    """Whether the value is a negative log-likelihood in nats."""

    reads_rows: ClassVar[bool] = False
    """Whether it reads the rows behind the scores, so that a sum of scores is not enough."""

    cosine: bool = False
    """Whether a score is a cosine of rows, in training and in the ranking."""
