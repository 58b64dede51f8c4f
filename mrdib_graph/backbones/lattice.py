"""LATTICE: an item graph learned from the features, mixed with the raw-feature graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.backbones.backbone import Sizes, Step
from mrdib_graph.backbones.id_graph import IDGraph
from mrdib_graph.backbones.messages import item_messages
from mrdib_graph.backbones.modality_users import ModalityUsers, UserSide
from mrdib_graph.losses import l2_half
from mrdib_graph.nn import ItemGraphLearner, neighbor_matrix
from mrdib_graph.nn.neighbor_search import Search
from mrdib_graph.options import Count, NonNegative, NonNegativeInt, Share, checked
from mrdib_graph.sparse import SparseMatrix, spmm_values
from mrdib_graph.subgraph import Sampling, table_rows
from mrdib_graph.transforms import ItemKNNGraph, UserItemGraph
from mrdib_graph.typing import Embeddings, Fused, Rows, Terms

WEIGHTS = "modality_weights"
"""Name of the item rows that hold the weights of an epoch's item graph."""


class LATTICE(IDGraph):
    r"""`"Mining Latent Structures for Multimedia Recommendation"
    <https://arxiv.org/abs/2104.09036>`_ (Zhang et al., MM 2021).

    .. math::
        A_m &= (1 - \lambda) L'_m + \lambda K_m, \qquad e_m = A_m A^{n-1} Q, \qquad
        h = \sum_m \mathrm{softmax}(\alpha)_m\, e_m \\
        [E_U; E_I] &= \mathrm{LGC}_L(T, [P; Q]), \qquad
        s(u, i) = E_u^\top \left(E_i + h_i / \lVert h_i \rVert\right)

    with :math:`L'_m` from :class:`ItemGraphLearner`, :math:`K_m` the raw ``cos_sym`` kNN graph and
    A the weighted sum of the :math:`A_m`.  The learned graph is rebuilt at the first batch of
    every epoch, the only one with a gradient through it and through alpha, and before an
    evaluation; one neighbour search serves an evaluation and the next epoch, since the weights are
    the same.

    Args:
        num_layers: L, layers on the user-item graph.
        num_item_layers: n, layers on the item graph.
        k: Neighbours per item, itself included.
        mix: :math:`\lambda`, the share of the raw graph.
        user_side: See :class:`~mrdib_graph.backbones.modality_users.ModalityUsers`.
        learned_norm: See :class:`ItemGraphLearner`.
        ui_norm: ``'row_self'`` (the release: row-normalised with self-loops) or ``'sym'`` (the
            paper's LightGCN).
        cf_model: ``'lightgcn'``, or ``'mf'`` without propagation.
        reg: Weight of half the squared L2 norm on the fused batch rows.
        train_features: Train the raw features too, as the release does; the raw graph stays.
        search: How neighbours are found: see :func:`mrdib_graph.nn.neighbor_search`.
        **sizes: See :class:`~mrdib_graph.backbones.Backbone`.

    Shapes:
        Both tables are d wide.

    Note:
        The defaults of ``learned_norm`` and ``ui_norm`` are the release's, which made the published
        numbers; that of ``train_features`` is not.
    """

    can_be_sampled = True
    needs_modalities = True

    @checked
    def __init__(
        self,
        num_layers: NonNegativeInt = 2,
        num_item_layers: Count = 1,
        k: Count = 10,
        mix: Share = 0.9,
        user_side: UserSide = "fused",
        learned_norm: Literal["joint", "per_modality"] = "joint",
        ui_norm: Literal["row_self", "sym"] = "row_self",
        cf_model: Literal["lightgcn", "mf"] = "lightgcn",
        reg: NonNegative = 0.0,
        train_features: bool = False,
        search: Search = "auto",
        **sizes: Unpack[Sizes],
    ) -> None:
        super().__init__(0 if cf_model == "mf" else num_layers, **sizes)
        self.k = min(k, self.num_items)
        self.mix = mix
        self.ui_norm: Literal["row_self", "sym"] = ui_norm
        self.user_item = f"user_item_{ui_norm}"
        self.num_item_layers = num_item_layers
        self.loss_weights = {"reg": reg}
        self.learner = ItemGraphLearner(self.k, learned_norm, search)
        self.project = self.projections(trained=train_features)
        self.alpha = Parameter(torch.full((len(self.modalities),), 0.5))
        self.modality_users = ModalityUsers(
            user_side, self.num_users, self.modalities, self.embedding_dim
        )
        # The learned graph of the current epoch: part of the state, so a run resumes inside one.
        shape = (len(self.modalities), self.num_items, self.k)
        self.neighbor_index: Tensor
        self.neighbor_value: Tensor
        self.learn_next: Tensor
        self.register_buffer("neighbor_index", torch.zeros(shape, dtype=torch.int64))
        self.register_buffer("neighbor_value", torch.zeros(shape))
        self.register_buffer("learn_next", torch.tensor(True))
        self.epoch_weights: Tensor
        self.register_buffer("epoch_weights", torch.zeros(len(self.modalities)))
        self._last_search: tuple[Tensor, Tensor, Tensor] | None = None  # features, masks, result
        self._item_graphs: list[SparseMatrix] | None = None  # this epoch's A_m
        self.register_load_state_dict_post_hook(_forget)  # type: ignore[no-untyped-call]

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The user-item graph and the raw item kNN graphs."""
        item_graph = ItemKNNGraph(self.k, "cos_sym", search=self.learner.how)
        return (UserItemGraph(self.ui_norm), item_graph, *self.modality_users.graphs)

    @property
    def modality_weights(self) -> Tensor:
        """Softmax of alpha [M]."""
        return self.alpha.softmax(0)

    def prepare_epoch(self, data: HeteroData, generator: torch.Generator) -> None:
        """Have the first batch rebuild the learned graph."""
        del data, generator
        self.learn_next.fill_(True)

    @property
    def not_sampled(self) -> str | None:
        """A learned item graph needs every item; the raw one alone (mix 1) does not."""
        return None if self.mix == 1 else "its item graph is learned over all items (unless mix=1)"

    def sampling(self, data: HeteroData) -> Sampling:
        """L hops along the user-item graph, n along each raw item graph."""
        self.check_sampled()
        means = self.modality_users.messages(data)
        hops = self.num_item_layers + len(means)
        of_items = [item_messages(data, m, "cos_sym", hops) for m in self.modalities]
        return Sampling([self.id_messages(data), *of_items, *means], self.modalities)

    def encode(self, data: HeteroData) -> Embeddings:
        """Item embeddings per modality by the item graphs, IDs by the user-item graph.

        After the first batch of an epoch the items have rows ``'modality_weights'`` too, [I, M],
        all alike: the weights of the epoch's item graph, which are constant as its edges are.
        """
        q = table_rows(self.item, data, "item")
        user, item = self.propagate_ids(data, q)
        first = self.training and bool(self.learn_next)
        content = self._content(data, q, first)
        modality_users = self.modality_users(data, content)
        if self.training and not first:
            content[WEIGHTS] = self.epoch_weights.expand(q.size(0), -1)
        return {"user": {"id": user, **modality_users}, "item": {"id": item, **content}}

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """Users: the ID row.  Items: the ID row plus the normalised sum over modalities."""
        if node_type == graph.USER:
            return Fused(h["id"])
        weights = h[WEIGHTS][0] if WEIGHTS in h else self.modality_weights
        content = sum(
            (w * h[m] for w, m in zip(weights, self.modalities, strict=True)),
            torch.zeros_like(h["id"]),
        )
        content = F.normalize(content, dim=-1, eps=1e-12)
        return Fused(h["id"] + content, {"content": content})

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        """L2 on the fused rows of the batch."""
        del data
        if not self.loss_weights["reg"]:
            return {}
        return {"reg": l2_half(step.user.out, step.item.out)}

    def _content(self, data: HeteroData, q: Tensor, first: bool) -> Rows:
        """The rows of every modality; the first batch of an epoch learns its graph."""
        if first:
            with torch.no_grad():
                self.epoch_weights.copy_(self.modality_weights)
                self.learn_next.fill_(False)
            if self.mix < 1:
                return self._learn(data, q)
        graphs = self._constant_graphs(data)
        weights = self.epoch_weights if self.training and not first else self.modality_weights
        for _ in range(self.num_item_layers - 1):
            q = torch.stack([w * (a @ q) for w, a in zip(weights, graphs, strict=True)]).sum(0)
        return {m: a @ q for m, a in zip(self.modalities, graphs, strict=True)}

    def _learn(self, data: HeteroData, q: Tensor) -> Rows:
        """The first batch of an epoch: gradients through the edge values and the weights."""
        index, value = self._learned_graph(data)
        with torch.no_grad():
            self.neighbor_index.copy_(index)
            self.neighbor_value.copy_(value)
        self._item_graphs = None
        raw = [graph.item_graph(data, m, "cos_sym") for m in self.modalities]
        patterns = [
            neighbor_matrix(i, v, self.num_items) for i, v in zip(index, value, strict=True)
        ]

        def layer(x: Tensor) -> list[Tensor]:
            return [
                (1 - self.mix) * spmm_values(p, p.value, x) + self.mix * (k @ x)
                for p, k in zip(patterns, raw, strict=True)
            ]

        for _ in range(self.num_item_layers - 1):
            parts = zip(self.modality_weights, layer(q), strict=True)
            q = torch.stack([w * x for w, x in parts]).sum(0)
        return dict(zip(self.modalities, layer(q), strict=True))

    def _learned_graph(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Neighbours and edge values of the current weights, both [M, I, k]."""
        features = [graph.item_features(data, m) for m in self.modalities]
        masks = [mask for _, mask in features]
        projected = [
            self.project[m](x) for m, (x, _) in zip(self.modalities, features, strict=True)
        ]
        index = self._search(torch.stack(projected).detach(), torch.stack(masks))
        return index, self.learner(projected, index, self.modality_weights, masks)

    def _search(self, x: Tensor, masks: Tensor) -> Tensor:
        """Neighbours [M, I, k] of [M, I, d]; those of the last search where nothing changed."""
        last = self._last_search
        if last is None or not (torch.equal(last[0], x) and torch.equal(last[1], masks)):
            last = (x, masks, self.learner.search(x.unbind(), masks.unbind()))
            self._last_search = last
        return last[2]

    @torch.no_grad()
    def _constant_graphs(self, data: HeteroData) -> list[SparseMatrix]:
        """Every A_m [I, I]: of the current weights in eval mode, else of this epoch's graph."""
        raw = [graph.item_graph(data, m, "cos_sym") for m in self.modalities]
        if self.mix == 1:
            return raw
        if not self.training:
            return self._mixed(raw, *self._learned_graph(data))
        if self._item_graphs is None:
            self._item_graphs = self._mixed(raw, self.neighbor_index, self.neighbor_value)
        return self._item_graphs

    def _mixed(self, raw: list[SparseMatrix], index: Tensor, value: Tensor) -> list[SparseMatrix]:
        """The learned graphs, given by neighbours and values [M, I, k], mixed with the raw ones."""
        graphs = []
        for raw_m, index_m, value_m in zip(raw, index, (1 - self.mix) * value, strict=True):
            learned = neighbor_matrix(index_m, value_m, self.num_items)
            graphs.append(
                SparseMatrix.from_edges(
                    torch.cat([learned.row, raw_m.row]),
                    torch.cat([learned.col, raw_m.col]),
                    torch.cat([learned.value, self.mix * raw_m.value]),
                    learned.shape,
                )
            )
        return graphs

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        """Move to a device or type; what was cached for the old one is forgotten."""
        _forget(self, None)
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call, no-any-return]


def _forget(module: Any, incompatible_keys: Any) -> None:
    """Drop what was cached for other weights."""
    del incompatible_keys
    module._item_graphs = None
    module._last_search = None
