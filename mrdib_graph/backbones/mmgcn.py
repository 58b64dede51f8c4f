"""MMGCN: a graph convolution per modality on the user-item graph, and their mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self, Unpack, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import ModuleDict, Parameter, init
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.backbones.backbone import Backbone, Sizes, Step
from mrdib_graph.nn import MMGCNLayer, Projection
from mrdib_graph.options import Count, NonNegative, checked
from mrdib_graph.sparse import SparseMatrix
from mrdib_graph.transforms import UserHistoryGraph, UserItemGraph
from mrdib_graph.typing import Embeddings, Fused, Rows, Terms


class MMGCN(Backbone):
    r"""`"MMGCN: Multi-modal Graph Convolution Network for Personalized Recommendation of
    Micro-video" <https://doi.org/10.1145/3343031.3351034>`_ (Wei et al., MM 2019).

    With a preference vector :math:`p_{m,u}` of each user and modality, IDs Z, the mean over
    neighbours :math:`D^{-1} A` and the layer :math:`\mathrm{GCN}` of :class:`MMGCNLayer`,

    .. math::
        x^{(0)}_m &= n([p_m;\, f_m]), \qquad
        x^{(l)}_m = \mathrm{GCN}_{m,l}\big(x^{(l-1)}_m,\ D^{-1} A\, x^{(l-1)}_m,\ Z\big) \\
        e_m &= x^{(3)}_m, \qquad s(u, i) = \Big(\frac1M \sum_m e_{m,u}\Big)^\top
        \Big(\frac1M \sum_m e_{m,i}\Big)

    where n scales rows to norm 1 and f are the features, through a linear map where they are wide.

    Args:
        hidden_channels: Width that wide features are mapped to.
        project_above: Features wider than this are mapped, others enter as they are.
        train_ids: Whether Z and the preferences are trained, as the paper has it.  In the releases
            behind the published numbers they stay at their random start.
        reg: Weight of the mean squares of the batch rows of Z, and of the first modality's
            preferences; a constant, and left out, without ``train_ids``.
        **sizes: See :class:`~mrdib_graph.backbones.Backbone`.

    Shapes:
        Both tables are d wide.

    Raises:
        ConfigError: There is no modality, or ``hidden_channels`` is below 1.

    Note:
        The rows of an item that lacks a modality are 0 in it.  In the first layer, the widest, C is
        applied to items only, and means of preferences that are not trained are taken once.
    """

    has_ids = False
    needs_modalities = True

    @checked
    def __init__(
        self,
        hidden_channels: Count = 256,
        project_above: int = 512,
        train_ids: bool = False,
        reg: NonNegative = 0.0,
        **sizes: Unpack[Sizes],
    ) -> None:
        super().__init__(**sizes)
        self.train_ids = train_ids
        self.loss_weights = {"reg": reg}
        num_users, num_items, out = self.num_users, self.num_items, self.embedding_dim
        mapped = {m: d for m, d in self.in_channels.items() if d > project_above}
        widths = {m: hidden_channels if m in mapped else d for m, d in self.in_channels.items()}
        self.project = ModuleDict({m: Projection(d, hidden_channels) for m, d in mapped.items()})
        self.first = ModuleDict({m: MMGCNLayer(c, out, first=True) for m, c in widths.items()})
        self.second = ModuleDict({m: MMGCNLayer(out, out) for m in widths})
        self.third = ModuleDict({m: MMGCNLayer(out, out) for m in widths})
        self.user_ids: Tensor
        self.item_ids: Tensor
        # Xavier normal of the one table of all nodes
        std = math.sqrt(2 / (num_users + num_items + out))
        self._add("user_ids", init.normal_(torch.empty(num_users, out), std=std))
        self._add("item_ids", init.normal_(torch.empty(num_items, out), std=std))
        for m, c in widths.items():
            self._add(f"preference_{m}", init.xavier_normal_(torch.empty(num_users, c)))
        # Of each modality, preferences that are not trained and their means, behind the operator
        # and the table that they were made from.
        self._kept: dict[str, tuple[SparseMatrix, Tensor, Tensor, Tensor]] = {}
        self.register_load_state_dict_post_hook(_forget)  # type: ignore[no-untyped-call]

    def _add(self, name: str, table: Tensor) -> None:
        if self.train_ids:
            self.register_parameter(name, Parameter(table))
        else:
            self.register_buffer(name, table)

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The user-item graph, and its parts for the first layer."""
        return (UserItemGraph("row"), UserHistoryGraph("mean"), UserHistoryGraph("sum"))

    def encode(self, data: HeteroData) -> Embeddings:
        """Three layers for each modality."""
        return self._encode(data, None, self.num_users)

    def encode_rows(self, data: HeteroData, users: Tensor, items: Tensor) -> Embeddings:
        """The rows of a batch: the last layer of no other node is computed."""
        nodes = torch.cat([users, items + self.num_users])
        return self._encode(data, nodes, users.numel())

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """The mean over modalities."""
        del node_type
        return Fused(torch.stack([h[m] for m in self.modalities]).mean(0))

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        """L2 on the IDs of the batch and on the first modality's preferences."""
        del data
        if not (self.train_ids and self.loss_weights["reg"]):
            return {}
        users, items = step.batch.user, step.batch.items
        preference: Tensor = getattr(self, f"preference_{self.modalities[0]}")
        squares = [self.user_ids[users], self.item_ids[items], preference]
        return {"reg": torch.stack([table.square().mean() for table in squares]).sum()}

    def _encode(self, data: HeteroData, nodes: Tensor | None, num_users: int) -> Embeddings:
        """Rows of all nodes, or of those given, the first ``num_users`` of which are users."""
        neighbors = graph.user_item_graph(data, "row")
        ids = torch.cat([self.user_ids, self.item_ids])
        x = [self._first_layer(data, m) for m in self.modalities]
        for layers in (self.second, self.third):
            now = [_layer(layers, m) for m in self.modalities]
            maps = [layer.neighbor(x_m) for layer, x_m in zip(now, x, strict=True)]
            seen = list(torch.split(neighbors @ torch.cat(maps, dim=1), self.embedding_dim, dim=1))
            if layers is self.third and nodes is not None:
                ids, x, seen = ids[nodes], [x_m[nodes] for x_m in x], [y[nodes] for y in seen]
            x = [layer(x_m, y, ids) for layer, x_m, y in zip(now, x, seen, strict=True)]
        user = {m: x_m[:num_users] for m, x_m in zip(self.modalities, x, strict=True)}
        item = {m: x_m[num_users:] for m, x_m in zip(self.modalities, x, strict=True)}
        for m, mask in graph.item_masks(data, self.modalities).items():
            mask = mask if nodes is None else mask[nodes[num_users:] - self.num_users]
            item[m] = item[m] * mask.unsqueeze(1)
        return {"user": user, "item": item}

    def _first_layer(self, data: HeteroData, m: str) -> Tensor:
        """Rows of all nodes after the first layer, the wide one."""
        layer = _layer(self.first, m)
        x, mask = graph.item_features(data, m)
        x = self.project[m](x) if m in self.project else x.to(self.item_ids.dtype)
        item = F.normalize(x * mask.unsqueeze(1), dim=-1, eps=1e-12)
        user, user_mean = self._preferences(data, m)
        # C is applied to rows of items on both sides, since there are fewer of them than users
        seen_by_users = graph.user_history(data, "mean") @ layer.neighbor(item)
        seen_by_items = layer.neighbor(user_mean)
        return torch.cat(
            [layer(user, seen_by_users, self.user_ids), layer(item, seen_by_items, self.item_ids)]
        )

    def _preferences(self, data: HeteroData, m: str) -> tuple[Tensor, Tensor]:
        """Preferences of norm 1 [U, c] and their mean over each item's users [I, c]."""
        users_of = graph.user_history(data, "sum").t
        table: Tensor = getattr(self, f"preference_{m}")
        kept = self._kept.get(m)
        if kept is not None and kept[0] is users_of and kept[1] is table:
            return kept[2], kept[3]
        with torch.set_grad_enabled(self.train_ids and torch.is_grad_enabled()):
            user = F.normalize(table, dim=-1, eps=1e-12)
            mean = (users_of @ user) / users_of.crow.diff().clamp(min=1).unsqueeze(1)
        if not self.train_ids:
            self._kept[m] = (users_of, table, user, mean)
        return user, mean

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        """Move to a device or type; what was made from the old tables is forgotten."""
        _forget(self, None)
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call, no-any-return]


def _layer(layers: ModuleDict, modality: str) -> MMGCNLayer:
    return cast(MMGCNLayer, layers[modality])


def _forget(module: Any, incompatible_keys: Any) -> None:
    """Drop what was made from other tables."""
    del incompatible_keys
    module._kept = {}
