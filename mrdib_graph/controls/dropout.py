"""Whole rows dropped at random in training: of the IDs, or of the modalities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mrdib_graph.controls.control import Control, id_rows, replace_item_rows
from mrdib_graph.options import Probability, checked
from mrdib_graph.row_names import rows_of
from mrdib_graph.typing import Embeddings, Rows


class IDDropout(Control):
    """Sets an item's ID row to zero with probability p in training, so that content must score.

    Args:
        modalities: Names of the modality rows.
        p: Probability.
    """

    needs_ids = True

    @checked
    def __init__(self, modalities: Sequence[str], p: Probability = 0.3) -> None:
        super().__init__(modalities)
        self.p = p

    def perturb(self, rows: Embeddings, generator: torch.Generator | None = None) -> Embeddings:
        """Rows with some IDs gone."""
        if not self.training:
            return rows
        ids = id_rows(rows["item"], self)
        return replace_item_rows(rows, {"id": ids * _keep(ids, self.p, generator)})


class ModalityDropout(Control):
    """Sets each modality row of an item to zero with probability p in training; the others grow.

    The rows that stay are divided by 1 - p, so the expected sum is unchanged.

    Args:
        modalities: Names of the modality rows.
        p: Probability.
    """

    @checked
    def __init__(self, modalities: Sequence[str], p: Probability = 0.3) -> None:
        super().__init__(modalities)
        self.p = p

    def perturb(self, rows: Embeddings, generator: torch.Generator | None = None) -> Embeddings:
        """Rows with some modalities gone."""
        if not self.training:
            return rows
        item = rows["item"]
        new: Rows = {}
        for m in self.modalities:
            kept = _keep(item[m], self.p, generator) / (1 - self.p)
            new |= {name: item[name] * kept for name in rows_of(item, m)}
        return replace_item_rows(rows, new)


def _keep(x: Tensor, p: float, generator: torch.Generator | None) -> Tensor:
    """Which rows stay [n, 1]."""
    return torch.empty(x.size(0), 1, device=x.device).uniform_(generator=generator) >= p
