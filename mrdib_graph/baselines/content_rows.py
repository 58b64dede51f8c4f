"""All features of an item side by side, as one row."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError


def content_rows(data: HeteroData, name: str) -> Tensor:
    r"""The features of all modalities side by side, each modality and the whole of length 1.

    .. math::
        \hat x_{m,i} = \frac{x_{m,i}}{\lVert x_{m,i} \rVert}, \qquad
        c_i = \frac{[\hat x_{1,i}, \dots, \hat x_{M,i}]}{\lVert [\hat x_{1,i}, \dots] \rVert}

    A modality that an item lacks is 0 in its row; an item that lacks all has a row of zeros.

    Args:
        data: The graph.
        name: Who asks, for the message.

    Returns:
        c [I, sum of d_m] float32, on the CPU.

    Raises:
        ConfigError: The graph has no modality.
    """
    modalities = graph.modalities(data)
    if not modalities:
        raise ConfigError(f"{name}: the graph has no modality to compare items by")
    rows = [graph.item_features(data, m)[0].cpu().float() for m in modalities]
    return F.normalize(torch.cat([F.normalize(x, dim=1) for x in rows], 1), dim=1)
