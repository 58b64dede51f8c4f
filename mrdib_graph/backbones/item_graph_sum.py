"""The weighted sum of the modalities' frozen item graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError
from mrdib_graph.options import Count, checked
from mrdib_graph.transforms import ItemKNNGraph


class ItemGraphSum(Module):
    r"""Item rows through FREEDOM's frozen item graph, from `"A Tale of Two Graphs: Freezing and
    Denoising Graph Structures for Multimodal Recommendation" <https://arxiv.org/abs/2211.06924>`_.

    .. math::
        y = K^n x, \qquad K = \sum_m \beta_m K_m

    with :math:`K_m` the ``bin_sym`` kNN graph of modality m, whose weights are all 1 / k.

    Args:
        modalities: Names.
        modality_weights: :math:`\beta`, one for each modality, made to sum to 1; equal for None.
        k: Neighbours per item, itself included.
        num_item_layers: n.

    Shapes:
        ``x`` [I, w] -> [I, w].

    Raises:
        ConfigError: Names that do not fit, a weight below 0, all weights 0, or a number below 1.
    """

    @checked
    def __init__(
        self,
        modalities: Sequence[str],
        modality_weights: Mapping[str, float] | None = None,
        k: Count = 10,
        num_item_layers: Count = 1,
    ) -> None:
        super().__init__()
        self.weights = shares(modality_weights, modalities)
        self.k = k
        self.num_layers = num_item_layers

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The kNN graphs."""
        return (ItemKNNGraph(self.k, "bin_sym"),)

    def forward(self, data: HeteroData, x: Tensor) -> Tensor:
        """Propagate item rows."""
        parts = {m: graph.item_graph(data, m, "bin_sym") for m, w in self.weights.items() if w}
        for _ in range(self.num_layers):
            x = torch.stack([self.weights[m] * (k @ x) for m, k in parts.items()]).sum(0)
        return x


def shares(weights: Mapping[str, float] | None, modalities: Sequence[str]) -> dict[str, float]:
    """Weights of the modalities that sum to 1; equal ones for None.

    Raises:
        ConfigError: There is not one for each modality, one is below 0, or all are 0.
    """
    weights = dict.fromkeys(modalities, 1.0) if weights is None else weights
    if set(weights) != set(modalities):
        raise ConfigError(
            f"modality_weights: got {', '.join(weights) or 'none'}, expected one for each of "
            f"{', '.join(modalities)}"
        )
    good = all(isinstance(w, int | float) and 0 <= w < float("inf") for w in weights.values())
    if not good or not any(weights.values()):
        raise ConfigError(
            f"modality_weights: got {dict(weights)}, expected 0 or more and one above 0"
        )
    total = sum(weights.values())
    return {m: weights[m] / total for m in modalities}
