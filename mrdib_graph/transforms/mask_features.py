"""Take modalities away from a share of the items, to see what a recommender does without them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.errors import DataError
from mrdib_graph.options import NonNegativeInt, Probability, checked
from mrdib_graph.transforms.drop_derived import drop_feature_derived


class MaskFeatures(BaseTransform):  # type: ignore[misc]
    """Removes a modality from a share of the items that have it, drawn for each modality alone.

    An item drawn loses its ``describes`` edge, so it lacks the modality; a feature row that no item
    is left with goes too, so nothing can read it.  Interactions and their split are not touched.

    The draw depends on the seed, the modality's name and the items that have it.  A larger share of
    one seed masks every item that a smaller one does, so shares are compared on nested sets.

    Args:
        share: Share of the items with the modality, from 0 to below 1; each modality keeps at least
            one item.
        seed: Seed of the draw.
        modalities: Which ones lose rows; all for None.

    The names, share and seed are recorded as ``data.feature_masking``.  Derived operators, kNN item
    graphs and aligned features are made again on demand.

    Raises:
        ConfigError: An argument is out of range.
        DataError: The graph has no such modality, or the share would leave no item with it.

    Note:
        Scaled features were scaled by statistics over all rows, those that are masked included.
    """

    @checked
    def __init__(
        self,
        share: Probability,
        seed: NonNegativeInt = 0,
        modalities: Sequence[str] | None = None,
    ) -> None:
        self.share = share
        self.seed = seed
        self.modalities = None if modalities is None else list(modalities)

    def forward(self, data: HeteroData) -> HeteroData:
        """Remove the edges, and the rows that they leave unused."""
        known = graph.modalities(data)
        names = known if self.modalities is None else self.modalities
        for modality in names:
            if modality not in known:
                raise DataError(
                    f"modalities: '{modality}' is not in the graph: it has {', '.join(known)}"
                )
        for modality in names:
            relation = data[graph.describes(modality)]
            kept = self._kept(relation.edge_index[1], modality)
            node, item = relation.edge_index[:, kept]
            used, node = torch.unique(node, return_inverse=True)
            data[modality].x = data[modality].x[used]
            relation.edge_index = torch.stack([node, item])
        data.feature_masking = f"share={self.share} seed={self.seed} of {', '.join(names)}"
        drop_feature_derived(data)
        return data

    def _kept(self, item: Tensor, modality: str) -> Tensor:
        """Which edges stay [n] bool, whatever their order."""
        masked = round(self.share * item.numel())
        if masked == item.numel():
            raise DataError(
                f"share: {self.share} of {item.numel()} items with '{modality}' leaves none; "
                "use a smaller share"
            )
        name = hashlib.sha256(f"{self.seed} {modality}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(name[:4], "little"))
        drawn = torch.randperm(item.numel(), generator=generator)[:masked].to(item.device)
        kept = torch.ones_like(item, dtype=torch.bool)
        kept[item.argsort()[drawn]] = False
        return kept

    def __repr__(self) -> str:
        return f"MaskFeatures(share={self.share}, seed={self.seed})"
