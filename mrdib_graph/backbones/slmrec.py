"""SLMRec: LightGCN per modality, an in-batch softmax and a contrast across modalities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor
from torch.nn import Linear, ModuleDict, Sequential, init
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones.backbone import Sizes, Step
from mrdib_graph.backbones.id_graph import IDGraph
from mrdib_graph.losses import info_nce
from mrdib_graph.options import NonNegative, NonNegativeInt, Positive, checked
from mrdib_graph.subgraph import Sampling, table_rows
from mrdib_graph.typing import Embeddings, Fused, Rows, Terms


class SLMRec(IDGraph):
    r"""`"Self-supervised Learning for Multimedia Recommendation"
    <https://doi.org/10.1109/TMM.2022.3187556>`_ (Tao et al., IEEE TMM 2022).

    With n(.) the row norm set to 1,

    .. math::
        c &= \mathrm{LGC}_L(S, [P; Q]), \qquad
        e_m = \mathrm{LGC}_L\left(S, [P; n(X_m) V_m]\right) \\
        E_u &= W_U [c_u \| e_{1,u} \| \dots \| e_{M,u}] + b_U, \qquad
        E_i = W_I [c_i \| e_{1,i} \| \dots \| e_{M,i}] + b_I, \qquad
        s(u, i) = E_u^\top E_i

    The loss is no BPR but an in-batch softmax of cosines at ``temperature``, term ``'softmax'``,
    plus the contrast of features with IDs (FAC), term ``'contrast'``.  The latter is a chain of
    linear maps that starts at the item's ID row and passes the modalities in order; at each of them
    the item's row of the chain is to tell the item's row of the modality among those of the batch,
    by inner products:

    .. math::
        t_1 = A_1 c_i, \qquad t_m = A_m t_{m-1}, \qquad t_M = A'_M A_M t_{M-1}, \qquad
        \sum_m \mathrm{CE}\left(t_m^\top B_m e_{m} / \tau_s\right)

    The last of several modalities is met in a coarse space of width d / 2, behind one more map.
    With two modalities this is :math:`A_1 c` with :math:`B_1 e_1` and :math:`A'_2 A_2 A_1 c` with
    :math:`B_2 e_2`, as in the field's toolbox; with one, the first of the two.

    Args:
        num_layers: L.
        temperature: Of the in-batch softmax.
        contrast_weight: Weight of the contrast.
        contrast_temperature: :math:`\tau_s`.
        **sizes: See :class:`~mrdib_graph.backbones.Backbone`.

    Shapes:
        Both tables are d wide.

    Note:
        The published numbers come with ``weight_decay`` 1e-4 of the trainer, and with
        ``contrast_weight`` and ``contrast_temperature`` picked from grids that start at the
        defaults.  Negatives are sampled, and not read by this loss.
    """

    can_be_sampled = True
    needs_modalities = True

    @checked
    def __init__(
        self,
        num_layers: NonNegativeInt = 3,
        temperature: Positive = 0.2,
        contrast_weight: NonNegative = 0.01,
        contrast_temperature: Positive = 0.1,
        **sizes: Unpack[Sizes],
    ) -> None:
        super().__init__(num_layers, **sizes)
        self.temperature = temperature
        self.contrast_temperature = contrast_temperature
        self.loss_weights = {"ranking": 0.0, "softmax": 1.0, "contrast": contrast_weight}
        self.project = self.projections(bias=False)
        for weight in self.project.parameters():
            init.xavier_uniform_(weight)
        d = self.embedding_dim
        width = d * (1 + len(self.modalities))
        self.fusion = ModuleDict({t: _linear(width, d) for t in (graph.USER, graph.ITEM)})
        self.chain, self.side = _contrast_maps(self.modalities, d)

    def sampling(self, data: HeteroData) -> Sampling:
        """L hops along the user-item graph, on the IDs and on the features of every item there."""
        return super().sampling(data)._replace(all_features=True)

    def encode(self, data: HeteroData) -> Embeddings:
        """LightGCN on the item IDs and on each modality, with the same user IDs."""
        masks = graph.item_masks(data, self.modalities)
        users: Rows = {}
        items: Rows = {}
        users["id"], items["id"] = self.propagate_ids(data, table_rows(self.item, data, "item"))
        for m in self.modalities:
            users[m], items[m] = self.propagate_ids(data, self._content(data, m))
            if m in masks:  # what its neighbours pass on is not its content
                items[m] = items[m] * masks[m].unsqueeze(1)
        return {graph.USER: users, graph.ITEM: items}

    def _content(self, data: HeteroData, modality: str) -> Tensor:
        """Projected unit rows [I, d]; dividing after the map makes no copy of the features."""
        x, _ = graph.item_features(data, modality)
        projected: Tensor = self.project[modality](x)
        norm = torch.linalg.vector_norm(x, dim=1, keepdim=True, dtype=projected.dtype)
        unit: Tensor = projected / norm.clamp(min=1e-12)
        return unit

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """A linear map of the ID row beside the modality rows, one for users and one for items."""
        beside = torch.cat([h["id"], *(h[m] for m in self.modalities)], dim=1)
        return Fused(self.fusion[node_type](beside))

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        """The main loss, and the contrast of features with IDs on the batch's positives."""
        size = step.batch.pos_item.numel()
        terms = {"softmax": info_nce(step.user.out, step.item.out[:size], self.temperature)}
        if self.loss_weights["contrast"]:
            positives = step.item_of[:size]
            rows = {name: x[positives] for name, x in step.rows[graph.ITEM].items()}
            masks = graph.item_masks(data, self.modalities)
            present = {m: mask[step.batch.pos_item] for m, mask in masks.items()}
            terms["contrast"] = self._contrast(rows, present)
        return terms

    def _contrast(self, rows: Rows, present: Rows) -> Tensor:
        """Sum over the modalities, each on the rows that have it; rows [B, d] of each name."""
        total = rows["id"].new_zeros(())
        chain = rows["id"]
        for m in self.modalities:
            chain = self.chain[m](chain)
            here, there = chain, self.side[m](rows[m])
            if m in present:
                here, there = here[present[m]], there[present[m]]
            if here.size(0):
                total = total + info_nce(here, there, self.contrast_temperature, normalize=False)
        return total


def _contrast_maps(modalities: Sequence[str], width: int) -> tuple[ModuleDict, ModuleDict]:
    """Maps from one place of the chain to the next, and of the modalities into each place."""
    coarse = max(1, width // 2)
    chain, side = ModuleDict(), ModuleDict()
    for position, m in enumerate(modalities, start=1):
        if position == len(modalities) > 1:
            chain[m] = Sequential(_linear(width, width), _linear(width, coarse))
            side[m] = _linear(width, coarse)
        else:
            chain[m], side[m] = _linear(width, width), _linear(width, width)
    return chain, side


def _linear(in_channels: int, out_channels: int) -> Linear:
    """A linear map with Xavier uniform weights."""
    layer = Linear(in_channels, out_channels)
    init.xavier_uniform_(layer.weight)
    return layer
