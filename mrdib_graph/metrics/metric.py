"""The abstract metric: a number for the ranking of each user, or one for all users together."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.metrics.ranking import Ranking

Reads = Literal["lists", "scores", "features"]
"""What a metric may read beside the hits; the evaluator keeps nothing that no metric reads."""


class Metric(ABC):
    r"""A value of each user's ranking, or of the rankings of all users together.

    One of your own writes :meth:`compute`, and names under :attr:`reads` what it needs beside the
    hits.  Its name is that of the class in lower case and its cut-off: ``MyMetric(20)`` is
    ``'my_metric@20'``.

    Args:
        k: Cut-off, 1 or more: the places of a list that count.  Left out where a metric has none.

    Raises:
        ConfigError: ``k`` is out of range, or given to a metric without a cut-off.
    """

    reads: ClassVar[tuple[Reads, ...]] = ()
    """``'lists'``: ids of the recommended items; ``'scores'``: ``Ranking.share_below``;
    ``'features'``: feature rows of the items."""

    has_cutoff: ClassVar[bool] = True
    """Whether it is computed at each cut-off, or once on the whole ranking."""

    of_set: ClassVar[bool] = False
    """Whether it is one value of all users together; such a value has no test over users."""

    greater_is_better: ClassVar[bool | None] = True
    """None where neither is; only a metric whose greater value is better can choose an epoch."""

    limits: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Least and greatest value; infinity where it depends on the data."""

    def __init__(self, k: int | None = None) -> None:
        if self.has_cutoff and (k is None or isinstance(k, bool) or k < 1):
            raise ConfigError(f"{self.label()}: got k={k!r}, expected a cut-off of 1 or more")
        if not self.has_cutoff and k is not None:
            raise ConfigError(f"{self.label()}: got k={k!r}, but it has no cut-off; leave k out")
        self.k = k or 0

    @abstractmethod
    def compute(self, ranking: Ranking) -> Tensor:
        """Values [n] of the users of a ranking; of all of them together, [], where ``of_set``."""

    @classmethod
    def label(cls) -> str:
        """The name without the cut-off: ``HitRate`` is ``'hit_rate'``."""
        words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__)
        return words.lower()

    @property
    def name(self) -> str:
        """The name with the cut-off: ``'hit_rate@20'``."""
        return f"{self.label()}@{self.k}" if self.has_cutoff else self.label()

    def __call__(self, ranking: Ranking) -> Tensor:
        """The checked values of a ranking, float64: [n], or [] where ``of_set``.

        Raises:
            ConfigError: :meth:`compute` returned another shape, or a value that is not finite.
        """
        values, shape = self.compute(ranking), () if self.of_set else (ranking.hits.size(0),)
        if not isinstance(values, Tensor) or tuple(values.shape) != shape:
            got = f"a tensor {list(values.shape)}" if isinstance(values, Tensor) else repr(values)
            each = "one number of all users" if self.of_set else "one number for each user"
            raise ConfigError(
                f"metric {self.name}: compute returned {got}, expected {list(shape)}, {each}"
            )
        if not bool(torch.isfinite(values).all()):
            raise ConfigError(
                f"metric {self.name}: compute returned NaN or infinity; give a user or a list for "
                "whom it is not defined a number, 0 as a rule"
            )
        return values.double()

    def check_monitor(self) -> None:
        """Refuse to choose an epoch by it.

        Raises:
            ConfigError: A greater value is not better.
        """
        if self.greater_is_better is not True:
            which = "a smaller value is better" if self.greater_is_better is False else ""
            raise ConfigError(
                f"monitor: '{self.name}' cannot choose the epoch, since "
                f"{which or 'neither a greater nor a smaller value of it is better'}; take a "
                "metric whose greater value is better, such as recall@20"
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.k or ''})"
