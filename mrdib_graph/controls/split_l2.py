"""The ID part regularised harder than the content part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mrdib_graph.controls.control import Control, Rank, id_rows
from mrdib_graph.losses import l2_half
from mrdib_graph.options import NonNegative, checked
from mrdib_graph.typing import Embeddings, Terms, Triplets


class SplitL2(Control):
    r"""Regularises the ID part harder than the content part.

    Adds :math:`w\,(\lVert id_u \rVert^2 + \lVert id_i \rVert^2 + \dots) / 2B`.

    With :math:`w = 0.6\,r` beside ``reg_fused`` r the ID part is regularised 1.6 times as hard as
    the content: a re-weighting of content against IDs that any unique term must beat.

    Args:
        modalities: Names of the modality rows.
        weight: w.
    """

    needs_ids = True

    @checked
    def __init__(self, modalities: Sequence[str], weight: NonNegative = 0.024) -> None:
        super().__init__(modalities)
        self.loss_weights = {"split_l2": weight}

    @classmethod
    def default_options(cls, reg_fused: float) -> dict[str, Any]:
        """The ID part regularised 1.6 times as hard."""
        return {"weight": 0.6 * reg_fused}

    def loss(self, rows: Embeddings, rank: Rank, batch: Triplets) -> Terms:
        """L2 on the ID rows of the batch."""
        del rank
        if not self.loss_weights["split_l2"]:
            return {}
        ids = [id_rows(of_type, self) for of_type in rows.values()]
        return {"split_l2": l2_half(*ids, divisor=batch.user.numel())}
