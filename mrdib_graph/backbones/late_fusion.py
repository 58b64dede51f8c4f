"""Any backbone, with scored codes of the modalities beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import ModuleDict, init
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.backbones.backbone import CONTEXT, Backbone, Step, embedding
from mrdib_graph.errors import ConfigError
from mrdib_graph.nn import Projection
from mrdib_graph.row_names import JOINT, in_inner_backbone, joint_share, of_inner_backbone
from mrdib_graph.subgraph import Sampling, table_rows
from mrdib_graph.typing import Embeddings, Fused, Rows, Terms


class LateFusion(Backbone):
    r"""Adds to the score of a backbone a code of each modality, and one of all together.

    .. math::
        s(u, i) = s_\text{backbone}(u, i) + \sum_m \theta_{m,u}^\top z_{m,i}
            + \theta_{J,u}^\top z_{J,i}, \qquad
        z_{m,i} = W_m x_{m,i} + b_m, \quad z_{J,i} = \sum_m (V_m x_{m,i} + c_m)

    Every code has a user vector and maps of its own, so the codes share no table with each other or
    with the backbone.  What only the modalities together tell (a sum in which something cancels) is
    cheap for the joint code and dear for the others, which would need two long vectors.  MRdIB acts
    on the :math:`z_m`; its unique term asks every code, the joint one too, to predict alone.

    The backbone's own modality rows pass unread, as ``'backbone/<modality>'``, and the shares of
    the joint code are ``'joint/<modality>'``.  A backbone without modalities, such as LightGCN,
    gets them here.  An item that lacks a modality has zero rows.

    Args:
        inner: The backbone.
        in_channels: Raw width of each modality that gets a code.

    Shapes:
        Tables are ``w + (M + 1) d`` wide, where those of the backbone are w wide.

    Raises:
        ConfigError: There is no modality, or the backbone is a late fusion already.
    """

    def __init__(self, inner: Backbone, in_channels: dict[str, int]) -> None:
        super().__init__(inner.num_users, inner.num_items, in_channels, inner.embedding_dim)
        if not in_channels:
            raise ConfigError("late_fusion: the graph has no modality, it needs one or more")
        if isinstance(inner, LateFusion):
            raise ConfigError("late_fusion: the backbone has one already")
        self.inner = inner
        self.rowwise = inner.rowwise
        self.has_ids = inner.has_ids
        d = self.embedding_dim
        self.user = embedding(self.num_users, self._width)
        std = math.sqrt(2 / (sum(in_channels.values()) + d))  # Xavier, of the maps side by side
        # W_m and V_m side by side, so that the feature rows of a batch are gathered once
        self.project = ModuleDict({m: Projection(width, 2 * d) for m, width in in_channels.items()})
        for name, parameter in self.project.named_parameters():
            if name.endswith("bias"):
                init.zeros_(parameter)
            else:
                init.normal_(parameter, std=std)

    @classmethod
    def from_data(cls, data: HeteroData, **options: Any) -> Self:
        """Codes for all modalities of a graph, beside the backbone given as ``inner``.

        Raises:
            ConfigError: ``inner`` is not given, or another option is.
        """
        inner = options.pop("inner", None)
        if not isinstance(inner, Backbone) or options:
            raise ConfigError(f"LateFusion: expected inner=BACKBONE and no other, got {options}")
        widths = {m: int(data[m].x.size(1)) for m in graph.modalities(data)}
        return cls(inner, widths)

    @property
    def loss_weights(self) -> Mapping[str, float]:  # type: ignore[override]
        """The backbone's own, which may change from epoch to epoch."""
        return self.inner.loss_weights

    @property
    def graphs(self) -> list[BaseTransform]:
        """Those of the backbone."""
        return list(self.inner.graphs)

    def prepare(self, data: HeteroData) -> HeteroData:
        """As the backbone does."""
        return self.inner.prepare(data)

    def prepare_epoch(self, data: HeteroData, generator: torch.Generator) -> None:
        """As the backbone does."""
        self.inner.prepare_epoch(data, generator)

    @property
    def not_sampled(self) -> str | None:
        """As the backbone."""
        return self.inner.not_sampled

    def sampling(self, data: HeteroData) -> Sampling:
        """The backbone's messages, and the features of every modality."""
        found = self.inner.sampling(data)
        return found._replace(modalities=list(dict.fromkeys([*found.modalities, *self.modalities])))

    def encode(self, data: HeteroData) -> Embeddings:
        """The backbone's rows, and those of the codes."""
        return self._add(self.inner.encode(data), data, None, None)

    def encode_rows(self, data: HeteroData, users: Tensor, items: Tensor) -> Embeddings:
        """The rows of a batch, projecting no other item."""
        return self._add(self.inner.encode_rows(data, users, items), data, users, items)

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """The backbone's fused rows beside the codes."""
        fused = self.inner.fused(self._inner_rows(h), node_type)
        joint = h[JOINT] if node_type == graph.USER else self.joint_code(h)
        codes = [*(h[m] for m in self.modalities), joint]
        return fused._replace(out=torch.cat([fused.out, *codes], dim=1))

    def propagate(self, fused: Fused, node_type: str, data: HeteroData) -> Fused:
        """The backbone's message passing on its own part."""
        if self.rowwise:
            return fused
        after = self.inner.propagate(self._inner_fused(fused), node_type, data)
        codes = fused.out[:, -self._width :]
        return after._replace(out=torch.cat([after.out, codes], dim=1))

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        """The backbone's own."""
        rows = {
            key: self._inner_rows(of_type) if key != CONTEXT else of_type
            for key, of_type in step.rows.items()
        }
        user, item = self._inner_fused(step.user), self._inner_fused(step.item)
        return self.inner.auxiliary_loss(data, step._replace(rows=rows, user=user, item=item))

    def content_names(self, names: Sequence[str]) -> list[str]:
        """A modality's code, its share of the joint one, and the backbone's own rows of it."""
        own = {m: [m, joint_share(m)] for m in self.modalities}
        inner = [of_inner_backbone(m) for m in names if m in self.inner.modalities]
        return [x for name in names for x in own.get(name, [name])] + inner

    def joint_code(self, item: Rows) -> Tensor:
        """The sum of the modalities' shares."""
        return torch.stack([item[joint_share(m)] for m in self.modalities]).sum(0)

    @property
    def _width(self) -> int:
        return self.embedding_dim * (len(self.modalities) + 1)

    def _add(
        self, rows: Embeddings, data: HeteroData, users: Tensor | None, items: Tensor | None
    ) -> Embeddings:
        theta = torch.split(
            table_rows(self.user, data, graph.USER, users), self.embedding_dim, dim=1
        )
        z: Rows = {}
        for m in self.modalities:
            x, mask = graph.item_features(data, m)
            keep = (mask if items is None else mask[items]).unsqueeze(1)
            both = self.project[m](x, items) * keep
            z[m], z[joint_share(m)] = torch.split(both, self.embedding_dim, dim=1)
        own = {graph.USER: dict(zip([*self.modalities, JOINT], theta, strict=True)), graph.ITEM: z}
        return {
            key: of_type
            if key == CONTEXT
            else {self._outer_name(name): x for name, x in of_type.items()} | own[key]
            for key, of_type in rows.items()
        }

    def _outer_name(self, name: str) -> str:
        return of_inner_backbone(name) if name in self.modalities else name

    def _inner_rows(self, h: Rows) -> Rows:
        own = {*self.modalities, JOINT, *(joint_share(m) for m in self.modalities)}
        return {in_inner_backbone(name): x for name, x in h.items() if name not in own}

    def _inner_fused(self, fused: Fused) -> Fused:
        return fused._replace(out=fused.out[:, : -self._width])
