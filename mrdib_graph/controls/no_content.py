"""The backbone without its content: what modalities are worth at all."""

from __future__ import annotations

import torch

from mrdib_graph.controls.control import Control, replace_item_rows
from mrdib_graph.row_names import rows_of
from mrdib_graph.typing import Embeddings


class NoContent(Control):
    """Sets every modality row of the items to zero, in training and in evaluation."""

    def perturb(self, rows: Embeddings, generator: torch.Generator | None = None) -> Embeddings:
        """Rows without content."""
        del generator
        item = rows["item"]
        names = [name for m in self.modalities for name in rows_of(item, m)]
        zeros = {name: torch.zeros_like(item[name]) for name in names}
        return replace_item_rows(rows, zeros)
