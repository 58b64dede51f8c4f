"""The abstract control: something cheap that stands where MRdIB stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import torch
from torch.nn import Module

from mrdib_graph.errors import ConfigError
from mrdib_graph.typing import Embeddings, Rows, Terms, Triplets

Change = Callable[[Embeddings], Embeddings]
Rank = Callable[[Change], torch.Tensor]


class Control(Module):
    """Changes the rows between ``encode`` and ``fuse``, or adds a loss term, or both.

    A gain of the method counts only beyond what such a control gains.

    Args:
        modalities: Names of the modality rows.
    """

    needs_ids: ClassVar[bool] = False
    """Whether it acts on rows named ``'id'``, so that a backbone without them cannot have it."""

    loss_weights: Mapping[str, float] = {}

    def __init__(self, modalities: Sequence[str]) -> None:
        super().__init__()
        self.modalities = list(modalities)

    def perturb(self, rows: Embeddings, generator: torch.Generator | None = None) -> Embeddings:
        """The rows that are fused in place of those given; called in eval mode too."""
        del generator
        return rows

    def loss(self, rows: Embeddings, rank: Rank, batch: Triplets) -> Terms:
        """Unweighted loss terms.

        Args:
            rows: Rows of the batch.
            rank: Ranking loss of what ``change`` makes of the rows before they are fused.
            batch: The batch.
        """
        del rows, rank, batch
        return {}


def replace_item_rows(rows: Embeddings, new: Rows) -> Embeddings:
    """The embeddings with some of the items' rows replaced."""
    return {**rows, "item": {**rows["item"], **new}}


def id_rows(rows: Rows, control: Control) -> torch.Tensor:
    """The ID rows among the rows of a node type.

    Raises:
        ConfigError: The backbone has none, so the control would do nothing.
    """
    if "id" not in rows:
        raise ConfigError(
            f"{type(control).__name__} needs a backbone with rows named 'id'; this one has "
            f"{', '.join(rows)}"
        )
    return rows["id"]
