"""Feature rows in item order, gathered once."""

from __future__ import annotations

from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph


class AlignFeatures(BaseTransform):  # type: ignore[misc]
    """Keeps each modality's features in item order, so that training does not gather them again.

    Where feature node i describes item i for every i nothing is copied.
    """

    def forward(self, data: HeteroData) -> HeteroData:
        """Align every modality."""
        for modality in graph.modalities(data):
            graph.align_features(data, modality)
        return data
