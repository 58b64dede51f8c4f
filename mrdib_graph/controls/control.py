"""The abstract control: something cheap that stands where MRdIB stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch.nn import Module

from mrdib_graph.errors import ConfigError
from mrdib_graph.typing import Embeddings, Rows, Terms, Triplets

Change = Callable[[Embeddings], Embeddings]
"""Rows to the rows that are fused in their place."""

Rank = Callable[[Change], torch.Tensor]
"""A change to the ranking loss [] of the batch under it."""


class Control(Module):
    """Changes the rows between ``encode`` and ``fuse``, or adds a loss term, or both.

    A gain of the method counts only beyond what such a control gains.  One of your own overrides
    :meth:`perturb`, or :meth:`loss` with its :attr:`loss_weights`; ``modalities`` is the first
    argument of its constructor, and everything after it an option that settings may set.

    Args:
        modalities: Names of the modality rows.
    """

    loss_weights: Mapping[str, float] = {}
    """Weight of each term that :meth:`loss` returns."""

    def __init__(self, modalities: Sequence[str]) -> None:
        super().__init__()
        self.modalities = list(modalities)

    def perturb(self, rows: Embeddings, generator: torch.Generator | None = None) -> Embeddings:
        """The rows that are fused in place of those given; called in eval mode too.

        Args:
            rows: ``{'user': {name: [n, d]}, 'item': {name: [n, d]}}``, of a batch's nodes or of
                all; not to be written to.
            generator: Source of the random draws.
        """
        del generator
        return rows

    def loss(self, rows: Embeddings, rank: Rank, batch: Triplets) -> Terms:
        """Unweighted loss terms by name, each a tensor of shape [].

        Args:
            rows: Rows of the batch: users [B, d], items [B + B n, d], the observed first; those of
                the observed alone [B, d] where the batch shares its negatives.
            rank: Ranking loss of what ``change`` makes of the rows before they are fused.
            batch: The batch.
        """
        del rows, rank, batch
        return {}

    # Advanced: what an experiment asks before it builds one.

    needs_ids: ClassVar[bool] = False
    """Whether it acts on rows named ``'id'``, so that a backbone without them cannot have it."""

    @classmethod
    def default_options(cls, reg_fused: float) -> dict[str, Any]:
        """Options that follow from the regulariser of the fused rows where none are set."""
        del reg_fused
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
