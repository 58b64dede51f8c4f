"""Item graphs between what users took and what is nearest to their profiles."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.nn.knn import inverse_sqrt
from mrdib_graph.options import Count, NonNegativeInt, checked
from mrdib_graph.sparse import SparseMatrix
from mrdib_graph.transforms.content_order import (
    ABSENT,
    OrderedItems,
    cached_with_content,
    edge_products,
    modalities_of,
    ordered_items,
    top_columns,
)
from mrdib_graph.transforms.item_knn_graph import ItemKNNGraph


class InterestItemGraph(BaseTransform):  # type: ignore[misc]
    r"""SOIL's item graph of each modality, from "SOIL: Contrastive Second-Order Interest Learning
    for Multimodal Recommendation" (Su et al., MM 2024).

    With :math:`C_m` the cosines of the raw features, :math:`I_u` the training items of u and
    :math:`J_u` the union over m of the :math:`k_i` items with the largest
    :math:`\sum_{i \in I_u} C_m(i, j)`, the history included,

    .. math::
        N(i, j) = |\{u : i \in I_u,\ j \in J_u\}|, \qquad H_m = N \odot C_m, \qquad
        G_m = H'_m + K_m

    :math:`H'_m` is :math:`H_m` divided by the roots of the row sums of i and of j (a sum that is
    not positive gives 0), values below 1e-7 raised to 1e-7; :math:`K_m` is the kNN graph
    ``cos_sym_clamp`` of :class:`ItemKNNGraph`.  :math:`H_m` has at most :math:`M k_i` entries an
    interaction; nothing of size [I, I] or [U, I] is formed.

    Sums are compared per interaction; within 1e-6 they tie, and the item that comes first by
    :func:`~mrdib_graph.transforms.content_order.ordered_items` is taken.  An item that lacks m is
    not among the :math:`k_i` of m, and its edges in :math:`G_m` weigh 0.

    Args:
        k: Neighbours in :math:`K_m`, the item itself included.
        k_interest: :math:`k_i`; 0 leaves :math:`G_m = K_m`.
        interest_count: Whether N counts users (the release) or is 1 where there is one (the paper).
        modalities: Which modalities; all by default.

    Shapes:
        One operator [I, I] per modality, directed; read it with
        :func:`mrdib_graph.graph.item_graph` and the attribute ``kind``.

    Raises:
        ConfigError: An option is out of range.
        DataError: The graph has no modality, or the interactions are not split.
    """

    @checked
    def __init__(
        self,
        k: Count = 10,
        k_interest: NonNegativeInt = 10,
        interest_count: bool = True,
        modalities: tuple[str, ...] | None = None,
    ) -> None:
        self.knn = ItemKNNGraph(k, "cos_sym_clamp", modalities)
        self.k_interest = k_interest
        self.interest_count = interest_count
        self.modalities = modalities
        of = "+".join(modalities or ("all",))
        self.kind = f"interest_{k}_{k_interest}_{interest_count}_{of}"

    def forward(self, data: HeteroData) -> HeteroData:
        """Add the operators where they are not there yet."""
        modalities = modalities_of(data, self.modalities, "interest item graph")
        if all(graph.has_operator(data, f"item_{m}_{self.kind}") for m in modalities):
            return data
        data = self.knn(data)
        made = self._interest(data, modalities)
        for position, m in enumerate(modalities):
            near = graph.item_graph(data, m, self.knn.kind)
            matrix = SparseMatrix.from_edges(
                torch.cat([made["row"], near.row]),
                torch.cat([made["col"], near.col]),
                torch.cat([made[f"weight_{position}"], near.value]),
                near.shape,
            )
            graph.set_operator(data, f"item_{m}_{self.kind}", matrix)
        return data

    def _interest(self, data: HeteroData, modalities: Sequence[str]) -> dict[str, Tensor]:
        """Edges and weights of every H'_m, from the cache where they were built before."""
        history = graph.train_history(data)
        options = {"graph": "interest", "k": self.k_interest, "count": self.interest_count}

        def build() -> dict[str, Tensor]:
            return self._build(data, modalities, history)

        return cached_with_content(data, modalities, history, options, build)

    @torch.no_grad()
    def _build(
        self, data: HeteroData, modalities: Sequence[str], history: SparseMatrix
    ) -> dict[str, Tensor]:
        items = ordered_items(data, modalities)
        history = items.reorder(history)
        history = history.with_values(history.crow.diff().float().reciprocal()[history.row])
        chosen, first = _near_profiles(history, items, min(self.k_interest, history.shape[1]))
        keep = first[history.row]
        row = history.col.repeat_interleave(keep.sum(1))
        counts = SparseMatrix.from_edges(  # N = R^T J
            row, chosen[history.row][keep], None, (history.shape[1], history.shape[1])
        )
        row, col = counts.row, counts.col
        made = {"row": items.order[row], "col": items.order[col]}
        for position, (x, mask) in enumerate(zip(items.x, items.masks, strict=True)):
            value = edge_products(x, counts)
            if self.interest_count:
                value = value * counts.value
            scale = inverse_sqrt(counts.with_values(value).row_sum())
            weight = (value * scale[row] * scale[col]).clamp(min=1e-7)
            made[f"weight_{position}"] = weight * (mask[row] & mask[col])
        return made

    def __repr__(self) -> str:
        return (
            f"InterestItemGraph(k={self.knn.k}, k_interest={self.k_interest}, "
            f"interest_count={self.interest_count})"
        )


def _near_profiles(history: SparseMatrix, items: OrderedItems, k: int) -> tuple[Tensor, Tensor]:
    """J: per user k items of each modality [U, M k], and where one is named the first time."""
    found, present = [], []
    for x, mask in zip(items.x, items.masks, strict=True):

        def block(columns: slice, x: Tensor = x, mask: Tensor = mask) -> Tensor:
            score = history @ (x @ x[columns].T)  # the mean profile's product, at most 1
            score[:, ~mask[columns]] = ABSENT
            return score

        index, there = top_columns(block, *history.shape, k, x.device)
        found.append(index)
        present.append(there)
    absent = history.shape[1]
    chosen = torch.cat(found, 1).masked_fill(~torch.cat(present, 1), absent).sort(dim=1).values
    first = chosen < absent
    first[:, 1:] &= chosen[:, 1:] != chosen[:, :-1]
    return chosen, first
