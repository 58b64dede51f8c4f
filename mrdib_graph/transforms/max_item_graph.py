"""One item graph of several: the edgewise maximum of the modalities' kNN graphs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.sparse import SparseMatrix
from mrdib_graph.transforms.item_knn_graph import ItemKNNGraph, Kind


class MaxItemGraph(BaseTransform):  # type: ignore[misc]
    r"""SMORE's fused item graph, from `"Spectrum-based Modality Representation Fusion Graph
    Convolutional Network for Multimodal Recommendation" <https://arxiv.org/abs/2412.14978>`_.

    .. math::
        K_{f,ij} = \max_{m: (i, j) \in \mathcal{E}_m} K_{m,ij}

    over the modalities whose kNN graph :math:`K_m` has the edge, so the pattern is the union of
    theirs; the result is not normalised again.  The kNN graphs are built where they are missing.
    An edge of weight 0, such as those of an item that lacks the modality, is none.

    Args:
        k: Neighbours per item of :class:`ItemKNNGraph`, one number or one for each modality.
        kind: Kind of :class:`ItemKNNGraph`.
        modalities: Which modalities, one or more; all by default.

    Shapes:
        The operator is [I, I]; read it with :meth:`matrix`.

    Raises:
        ConfigError: The kind is unknown, k is below 1, or there is none for a modality.
    """

    def __init__(
        self,
        k: int | Mapping[str, int] = 10,
        kind: Kind = "cos_sym",
        modalities: tuple[str, ...] | None = None,
    ) -> None:
        self.knn = ItemKNNGraph(k, kind, modalities)

    def forward(self, data: HeteroData) -> HeteroData:
        """Add the kNN graphs and their maximum where they are not there yet."""
        data = self.knn(data)
        name = self.name(data)
        if not graph.has_operator(data, name):
            graph.set_operator(data, name, self._build(data))
        return data

    def matrix(self, data: HeteroData) -> SparseMatrix:
        """The maximum [I, I] of these options.

        Raises:
            DataError: It was not built yet.
        """
        return graph.operator(data, self.name(data))

    def _modalities(self, data: HeteroData) -> list[str]:
        return list(self.knn.modalities or graph.modalities(data))

    def name(self, data: HeteroData) -> str:
        """Name of the operator, with every option: a pattern does not give its k away."""
        parts = [f"{m}_{self.knn.k_of(m)}" for m in self._modalities(data)]
        return "_".join(["item_max", *parts, self.knn.kind])

    def _build(self, data: HeteroData) -> SparseMatrix:
        graphs = [graph.item_graph(data, m, self.knn.kind) for m in self._modalities(data)]
        size = graph.num_items(data)
        key = torch.cat([g.row * size + g.col for g in graphs])
        value = torch.cat([g.value for g in graphs])
        key, value = key[value != 0], value[value != 0]
        union, position = torch.unique(key, return_inverse=True)
        largest = value.new_zeros(union.numel())
        largest.scatter_reduce_(0, position, value, "amax", include_self=False)
        return SparseMatrix.from_edges(union // size, union % size, largest, (size, size))

    def __repr__(self) -> str:
        return f"MaxItemGraph(k={self.knn.k}, kind={self.knn.kind!r})"
