"""The base of baselines that add the scores of two others."""

from __future__ import annotations

from typing import Self

from torch_geometric.data import HeteroData

from mrdib_graph.baselines.baseline import Baseline, SciPyMatrix


class TwoParts(Baseline):
    """A baseline that reads interactions and one that reads content, weighted.

    A subclass writes ``_score``, which reads both parts' scores.

    Args:
        collaborative: The part that reads interactions.
        content: The part that reads content.
        content_weight: Weight of the second.
    """

    reads_content = True

    def __init__(self, collaborative: Baseline, content: Baseline, content_weight: float) -> None:
        self.collaborative, self.content = collaborative, content
        self.content_weight = content_weight

    def of_fitted(self, collaborative: Baseline, content: Baseline) -> Self:
        """Take two parts that are fitted to one graph already, in place of :meth:`fit`."""
        self.collaborative, self.content = collaborative, content
        self._train = collaborative._train
        return self

    def _fit(self, data: HeteroData, train: SciPyMatrix) -> None:  # noqa: ARG002
        self.collaborative.fit(data)
        self.content.fit(data)
