"""DRAGON: DualGNN's encoders side by side, smoothed over an item graph and a user graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.backbones.item_graph_sum import ItemGraphSum
from mrdib_graph.backbones.preference_encoders import CompanionBackbone
from mrdib_graph.typing import Fused


class DRAGON(CompanionBackbone):
    r"""`"Enhancing Dyadic Relations with Homogeneous Graphs for Multimodal Recommendation"
    <https://arxiv.org/abs/2301.12097>`_ (Zhou et al., ECAI 2023).

    .. math::
        v_u = [w_{u1} e_{1,u} | \dots | w_{uM} e_{M,u}], \quad
        q_i = [e_{1,i} | \dots | e_{M,i}], \qquad
        s(u, i) = (v + G v)_u^\top (q + K^n q)_i

    with the encoders, weights w and user graph G of :class:`DualGNN` and FREEDOM's frozen item
    graph :math:`K = \sum_m \beta_m K_m`.

    Args:
        num_item_layers: n.
        k: Neighbours per item, itself included.
        modality_weights: :math:`\beta`, one for each modality, made to sum to 1; equal for None.
        **options: See :class:`~mrdib_graph.backbones.preference_encoders.CompanionBackbone`.

    Shapes:
        Both tables are d M wide.

    Note:
        The release holds projection tables that nothing reads; they are left out.
    """

    def __init__(
        self,
        num_item_layers: int = 1,
        k: int = 10,
        modality_weights: Mapping[str, float] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.item_graph = ItemGraphSum(self.modalities, modality_weights, k, num_item_layers)

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The symmetric user-item graph, the users who share items and the item kNN graphs."""
        return (*super().graphs, *self.item_graph.graphs)

    def propagate(self, fused: Fused, node_type: str, data: HeteroData) -> Fused:
        """Users add their companions, items their neighbours."""
        if node_type == graph.USER:
            return super().propagate(fused, node_type, data)
        return fused._replace(out=fused.out + self.item_graph(data, fused.out))
