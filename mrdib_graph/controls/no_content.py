"""The backbone without its content: what modalities are worth at all."""

from __future__ import annotations

import torch

from mrdib_graph.controls.control import Control, replace_item_rows
from mrdib_graph.typing import Embeddings


class NoContent(Control):
    """Sets every modality row of the items to zero, in training and in evaluation."""

    def perturb(self, rows: Embeddings, generator: torch.Generator | None = None) -> Embeddings:
        """Rows without content."""
        del generator
        item = rows["item"]
        zeros = {m: torch.zeros_like(item[m]) for m in self.modalities}
        return replace_item_rows(rows, zeros)
