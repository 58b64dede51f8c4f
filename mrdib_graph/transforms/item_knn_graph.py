"""Item kNN graphs from raw features, one per modality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError
from mrdib_graph.nn.knn import inverse_sqrt, neighbor_matrix
from mrdib_graph.nn.neighbor_search import Search, check_search, neighbor_search, uses_faiss
from mrdib_graph.options import Count, checked
from mrdib_graph.transforms.graph_cache import cached

Kind = Literal["cos_sym", "cos_sym_clamp", "bin_sym"]


class ItemKNNGraph(BaseTransform):  # type: ignore[misc]
    r"""The k most similar items of each item by the cosine of raw features, for every modality.

    The item itself is one of the k.  With :math:`v_{ij}` the kept values and
    :math:`r_i = \sum_j v_{ij}`, used for rows *and* columns, the weight of an edge is
    :math:`v_{ij} / \sqrt{r_i r_j}`; the graph is directed.

    ================== ============= =========================================================
    kind               kept value    used by
    ================== ============= =========================================================
    ``cos_sym``        the cosine    lattice (raw graph), mgcn, smore
    ``cos_sym_clamp``  the cosine    soil; every weight below 1e-7 is set to 1e-7
    ``bin_sym``        1             freedom, dragon, mentor; every weight is 1 / k
    ================== ============= =========================================================

    The fourth kind, learned from projected features, is :class:`ItemGraphLearner`.  The search is
    exact, in blocks, with a fixed tie order (:func:`mrdib_graph.nn.knn`), or beyond 100,000 items
    approximate (:func:`mrdib_graph.nn.neighbor_search`); its recall is logged and kept as
    ``search_recall`` of the relation.  An item that lacks the modality has no edge.  A row sum
    that is not positive gives weight 0.  Results are cached on disk by a hash of the features and
    options.

    Args:
        k: Neighbours per item, itself included; cut to the number of items.  One number, or one for
            each modality by name.
        kind: One of the three.
        modalities: Which modalities; all by default.
        search: ``'auto'``, ``'exact'`` or ``'faiss'``.  A graph of as many edges that is there
            already is kept, however it was searched.

    Raises:
        ConfigError: An unknown kind or search, k below 1, or none for a modality.
        MissingExtraError: FAISS is asked for and not installed.
    """

    @checked
    def __init__(
        self,
        k: Count | Mapping[str, Count] = 10,
        kind: Kind = "cos_sym",
        modalities: tuple[str, ...] | None = None,
        search: Search = "auto",
    ) -> None:
        self.k = k if isinstance(k, int) else dict(k)
        self.kind = kind
        self.modalities = modalities
        check_search(search)
        self.search = search

    def forward(self, data: HeteroData) -> HeteroData:
        """Add the relation ``('item', 'similar_<m>', 'item')`` and its operator for each m."""
        for modality in self.modalities or graph.modalities(data):
            name = f"item_{modality}_{self.kind}"
            k = min(self.k_of(modality), graph.num_items(data))
            edges = k * graph.num_items(data)
            if graph.has_operator(data, name) and graph.operator(data, name).nnz == edges:
                continue
            x, mask = graph.item_features(data, modality)
            index, value, recall = self._neighbors(x, mask, k, modality)
            matrix = neighbor_matrix(index, value, x.size(0))
            graph.set_operator(data, name, matrix)
            relation = data[graph.similar(modality)]
            relation.edge_index = matrix.edge_index()
            relation.edge_weight = matrix.value
            relation.search_recall = recall
        return data

    def k_of(self, modality: str) -> int:
        """Neighbours per item in a modality's graph.

        Raises:
            ConfigError: k is given by name, and not for this modality.
        """
        if isinstance(self.k, int):
            return self.k
        if modality not in self.k:
            raise ConfigError(
                f"k: got a number for {', '.join(self.k)}, expected one for '{modality}' too"
            )
        return self.k[modality]

    def _neighbors(
        self, x: Tensor, mask: Tensor, k: int, modality: str
    ) -> tuple[Tensor, Tensor, float]:
        def build() -> dict[str, Tensor]:
            some = None if bool(mask.all()) else mask
            name = f"item kNN graph of '{modality}'"
            index, value, recall = neighbor_search(x, k, some, self.search, name)
            value = self.normalise(index, value, mask)
            return {"index": index, "value": value, "recall": torch.tensor(recall)}

        options: dict[str, object] = {"graph": "item_knn", "k": k, "kind": self.kind}
        if uses_faiss(x, self.search):
            options["search"] = "faiss"
        made = cached({"x": x, "mask": mask}, options, build)
        # files of an exact search that an earlier version wrote have no recall
        recall = float(made.get("recall", torch.tensor(1.0)))
        return made["index"].to(x.device), made["value"].to(x.device), recall

    def normalise(self, index: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        """Edge weights [I, k] from neighbours and cosines [I, k]."""
        both = mask.unsqueeze(1) & mask[index]
        value = (torch.ones_like(value) if self.kind == "bin_sym" else value) * both
        scale = inverse_sqrt(value.sum(1))
        weight = value * scale.unsqueeze(1) * scale[index]
        if self.kind == "cos_sym_clamp":
            weight = weight.clamp(min=1e-7) * both
        return weight

    def __repr__(self) -> str:
        return f"ItemKNNGraph(k={self.k}, kind={self.kind!r})"
