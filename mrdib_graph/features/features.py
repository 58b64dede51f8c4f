"""Feature rows of one modality, which items have one, and where they came from."""

from __future__ import annotations

import dataclasses
from typing import Literal

from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import DataError
from mrdib_graph.features.provenance import Provenance
from mrdib_graph.options import checked

Fill = Literal["mean", "zero"]


@dataclasses.dataclass(frozen=True)
class Features:
    """What an encoder gives: rows for the items that have content, and nothing for the others.

    Args:
        x: The rows [n, d], float32 or bfloat16, in the order of the items that have one.
        mask: Which items have a row [I], bool, with n of them True.
        provenance: Where the rows came from.
    """

    x: Tensor
    mask: Tensor
    provenance: Provenance

    @checked
    def table(self, fill: Fill = "mean") -> Tensor:
        """One row for each item [I, d], float32.

        Args:
            fill: What a missing item gets: ``'mean'`` of the rows that exist, as the field's common
                folders hold it, or ``'zero'``.

        Raises:
            ConfigError: The fill is unknown.
        """
        x = self.x.float()
        row = x.mean(0) if fill == "mean" else x.new_zeros(x.size(1))
        out = row.repeat(self.mask.numel(), 1)
        out[self.mask] = x
        return out

    def add_to(self, data: HeteroData, modality: str) -> HeteroData:
        """The graph with the rows as feature nodes; a missing item gets no ``describes`` edge.

        Args:
            data: A graph of the schema of :mod:`mrdib_graph.graph`; a copy of it is changed.
            modality: Name of the node type, such as ``'text'``.

        Raises:
            DataError: The graph has another number of items, or the name is that of a node type.
        """
        if modality in data.node_types:
            raise DataError(
                f"modality: the graph already has nodes '{modality}'; take another name, or delete "
                "those nodes first"
            )
        if self.mask.numel() != graph.num_items(data):
            raise DataError(
                f"features of '{modality}': made for {self.mask.numel()} items, and the graph has "
                f"{graph.num_items(data)}; encode one text or image for each item, in item order"
            )
        data = data.clone()
        graph.add_modality(data, modality, self.x, self.mask.nonzero().flatten())
        return data
