"""LightGCN: no modalities, the floor to beat."""

from __future__ import annotations

from typing import Literal, Unpack

from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph.backbones.backbone import Sizes, Step
from mrdib_graph.backbones.id_graph import IDGraph
from mrdib_graph.losses import emb_norm, l2_half
from mrdib_graph.options import NonNegative, NonNegativeInt, checked
from mrdib_graph.subgraph import table_rows
from mrdib_graph.typing import Embeddings, Fused, Rows, Terms


class LightGCN(IDGraph):
    r"""`"LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation"
    <https://arxiv.org/abs/2002.02126>`_ (He et al., SIGIR 2020).

    .. math::
        E = \frac{1}{L+1} \sum_{l=0}^{L} S^l [P; Q], \qquad s(u, i) = E_u^\top E_i

    Args:
        num_layers: L.
        reg: Weight of the L2 term on the *layer-0* rows of the batch.
        reg_norm: ``'unsquared'`` norms (the field's toolbox, :func:`emb_norm`) or ``'squared'``
            (the authors, :func:`l2_half`).
        **sizes: See :class:`~mrdib_graph.backbones.Backbone`; ``in_channels`` is not used, since
            the model has no modalities.

    Shapes:
        Both tables are d wide.
    """

    can_be_sampled = True

    @checked
    def __init__(
        self,
        num_layers: NonNegativeInt = 2,
        reg: NonNegative = 1e-4,
        reg_norm: Literal["unsquared", "squared"] = "unsquared",
        **sizes: Unpack[Sizes],
    ) -> None:
        sizes["in_channels"] = {}
        super().__init__(num_layers, **sizes)
        self.reg_norm = reg_norm
        self.loss_weights = {"reg": reg}

    def encode(self, data: HeteroData) -> Embeddings:
        """Propagate the ID tables."""
        user, item = self.propagate_ids(data, table_rows(self.item, data, "item"))
        return {"user": {"id": user}, "item": {"id": item}}

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """The propagated ID rows."""
        del node_type
        return Fused(h["id"])

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        """L2 on the layer-0 rows of the batch."""
        user = table_rows(self.user, data, "user", step.batch.user)
        items = table_rows(self.item, data, "item", step.batch.items)
        positive, negative = items.tensor_split([len(user)])
        rows: list[Tensor] = [user, positive, negative]
        return {"reg": emb_norm(*rows) if self.reg_norm == "unsquared" else l2_half(*rows)}
