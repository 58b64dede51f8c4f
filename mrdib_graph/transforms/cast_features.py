"""Feature tables in half the memory."""

from __future__ import annotations

from typing import Literal

import torch
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.options import checked
from mrdib_graph.transforms.drop_derived import drop_feature_derived

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


class CastFeatures(BaseTransform):  # type: ignore[misc]
    """Stores every modality's features in another type, bfloat16 for half the memory.

    A bfloat16 keeps the range of a float32 and 8 bits of its 24: values move by up to 1 part in
    256.  The features stay in this type in the graph; whoever reads them computes in float32 on the
    rounded values, :class:`~mrdib_graph.nn.Projection` without a widened copy of the table.  Scale
    first, since scaling gives float32.

    Args:
        dtype: ``'bfloat16'`` or ``'float32'``.

    Shapes:
        ``data[m].x`` [n_m, d_m] -> the same, in the type.  The new table lies in memory, also where
        the old one was mapped from a file.

    Raises:
        ConfigError: Another type.
    """

    @checked
    def __init__(self, dtype: Literal["bfloat16", "float32"] = "bfloat16") -> None:
        self.dtype = dtype

    def forward(self, data: HeteroData) -> HeteroData:
        """Cast every modality that has another type."""
        dtype = DTYPES[self.dtype]
        names = [m for m in graph.modalities(data) if data[m].x.dtype != dtype]
        for modality in names:
            data[modality].x = data[modality].x.to(dtype)
        if names:
            drop_feature_derived(data)
        return data

    def __repr__(self) -> str:
        return f"CastFeatures(dtype={self.dtype!r})"
