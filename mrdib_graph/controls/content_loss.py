"""A ranking loss on the score without the ID part."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mrdib_graph.controls.control import Control, Rank, id_rows, replace_item_rows
from mrdib_graph.options import NonNegative, checked
from mrdib_graph.typing import Embeddings, Terms, Triplets


class ContentLoss(Control):
    r"""Asks the content to rank without the IDs, by a second ranking loss.

    Adds :math:`w\,L_\text{rank}` of the fused score with the items' ID rows set to zero.

    The plainest way to ask the content to predict: one extra term for all modalities together,
    without bottleneck, decoders or critics.

    Args:
        modalities: Names of the modality rows.
        weight: w.
    """

    needs_ids = True

    @checked
    def __init__(self, modalities: Sequence[str], weight: NonNegative = 0.1) -> None:
        super().__init__(modalities)
        self.loss_weights = {"content": weight}

    def loss(self, rows: Embeddings, rank: Rank, batch: Triplets) -> Terms:
        """Ranking loss of the content."""
        del batch
        if not self.loss_weights["content"]:
            return {}
        id_rows(rows["item"], self)
        return {"content": rank(_without_id)}


def _without_id(rows: Embeddings) -> Embeddings:
    return replace_item_rows(rows, {"id": torch.zeros_like(rows["item"]["id"])})
