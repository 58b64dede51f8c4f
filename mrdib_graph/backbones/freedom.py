"""FREEDOM: a frozen item graph, and a user-item graph that loses edges in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self, Unpack

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torch.nn import ModuleDict
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.backbones.backbone import Sizes, Step
from mrdib_graph.backbones.id_graph import IDGraph
from mrdib_graph.backbones.item_graph_sum import shares
from mrdib_graph.backbones.messages import item_messages
from mrdib_graph.backbones.modality_users import ModalityUsers, UserSide
from mrdib_graph.losses import Pairs
from mrdib_graph.nn import bipartite_sym, degree_sample
from mrdib_graph.options import Count, NonNegative, NonNegativeInt, Probability, checked
from mrdib_graph.sparse import SparseMatrix
from mrdib_graph.subgraph import Sampling, is_subgraph, table_rows
from mrdib_graph.transforms import ItemKNNGraph, UserHistoryGraph, UserItemGraph
from mrdib_graph.typing import Embeddings, Fused, Rows, Terms


class FREEDOM(IDGraph):
    r"""`"A Tale of Two Graphs: Freezing and Denoising Graph Structures for Multimodal
    Recommendation" <https://arxiv.org/abs/2211.06924>`_ (Zhou and Shen, MM 2023).

    .. math::
        e_m &= K_m K^{n-1} Q, \qquad K = \sum_m \beta_m K_m, \qquad h = \sum_m \beta_m e_m \\
        [E_U; E_I] &= \mathrm{LGC}_L(\tilde S, [P; Q]), \qquad
        s(u, i) = E_u^\top (E_i + h_i)

    with :math:`K_m` the ``bin_sym`` kNN graph of the raw features.  Each epoch trains on
    :math:`\lfloor E (1 - \rho) \rfloor` of the E training edges, drawn without replacement with
    weight :math:`1 / \sqrt{d_u d_i}`; :math:`\tilde S` is normalised by the degrees that are left.
    In eval mode it is the full :math:`S`.  The loss adds, on the batch,

    .. math::
        \mathrm{reg} \sum_m \mathrm{BPR}\big(E_u^\top f_{m,i},\; E_u^\top f_{m,j}\big), \qquad
        f_{m,i} = W_m x_{m,i} + b_m

    Args:
        num_layers: L, layers on the user-item graph.
        num_item_layers: n, layers on the item graph.
        k: Neighbours per item, itself included.
        prune: :math:`\rho`, the share of the edges that an epoch leaves out.
        modality_weights: :math:`\beta`, one for each modality, made to sum to 1; equal for None.
        reg: Weight of the modalities' ranking loss; for 0 there are no maps.
        train_features: Train the raw features too, as the release does; the item graphs stay.
        user_side: See :class:`~mrdib_graph.backbones.modality_users.ModalityUsers`.
        **sizes: See :class:`~mrdib_graph.backbones.Backbone`.

    Shapes:
        Both tables are d wide.

    Note:
        The features reach the score through :math:`K_m` alone, so codes stand at :math:`e_m`;
        the other place, at :math:`f_m`, where they would not reach it, is left out.
    """

    can_be_sampled = True
    needs_modalities = True

    @checked
    def __init__(
        self,
        num_layers: NonNegativeInt = 2,
        num_item_layers: Count = 1,
        k: Count = 10,
        prune: Probability = 0.8,
        modality_weights: Mapping[str, float] | None = None,
        reg: NonNegative = 1e-3,
        train_features: bool = False,
        user_side: UserSide = "fused",
        **sizes: Unpack[Sizes],
    ) -> None:
        super().__init__(num_layers, **sizes)
        self.k = min(k, self.num_items)
        self.prune = prune
        self.num_item_layers = num_item_layers
        self.modality_weights = shares(modality_weights, self.modalities)
        self.loss_weights = {"modality_ranking": reg}
        self.project = self.projections(trained=train_features) if reg else ModuleDict()
        self.modality_users = ModalityUsers(
            user_side, self.num_users, self.modalities, self.embedding_dim
        )
        # With the data, all that the epoch's edges depend on: a run resumes inside an epoch.
        self.draw_seed: Tensor
        self.register_buffer("draw_seed", torch.tensor(0))
        self._pruned: tuple[int, SparseMatrix, SparseMatrix] | None = None  # seed, edges, result

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The user-item graph, its edges with their weights, and the item kNN graphs."""
        edges = (UserHistoryGraph("sym"),) if self.prune else ()
        item_graph = ItemKNNGraph(self.k, "bin_sym")
        return (UserItemGraph("sym"), *edges, item_graph, *self.modality_users.graphs)

    def prepare_epoch(self, data: HeteroData, generator: Generator) -> None:
        """Draw the seed of the epoch's edges."""
        del data
        seed = torch.randint(2**62, (), generator=generator, device=generator.device)
        self.draw_seed.copy_(seed)

    def sampling(self, data: HeteroData) -> Sampling:
        """L hops along the epoch's user-item graph, n along each item graph."""
        self.check_sampled()
        means = self.modality_users.messages(data)
        hops = self.num_item_layers + len(means)
        of_items = [item_messages(data, m, "bin_sym", hops) for m in self.modalities]
        return Sampling([self.id_messages(data), *of_items, *means], list(self.project))

    def encode(self, data: HeteroData) -> Embeddings:
        """Item embeddings per modality by the item graphs, IDs by the user-item graph."""
        q = table_rows(self.item, data, "item")
        user, item = self.propagate_ids(data, q)
        graphs = {m: graph.item_graph(data, m, "bin_sym") for m in self.modalities}
        for _ in range(self.num_item_layers - 1):
            q = self._weighted({m: k @ q for m, k in graphs.items()})
        content = {m: k @ q for m, k in graphs.items()}
        modality_users = self.modality_users(data, content)
        return {"user": {"id": user, **modality_users}, "item": {"id": item, **content}}

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """Users: the ID row.  Items: the ID row plus the weighted sum over modalities."""
        if node_type == graph.USER:
            return Fused(h["id"])
        content = self._weighted(h)
        return Fused(h["id"] + content, {"content": content})

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        """Ranking loss of each modality's projected features, of items that have it."""
        if not self.loss_weights["modality_ranking"]:
            return {}
        batch = step.batch.own()  # of a pool one item each, or the term would cost M times the loss
        nodes, item_of = torch.unique(batch.items, return_inverse=True)
        pairs = Pairs.of(batch)
        terms = []
        for m in self.modalities:
            x, mask = graph.item_features(data, m)
            rows = self.project[m](x, nodes)[item_of]
            scores = pairs.scores(step.user.out, rows, mask[batch.items])
            loss = F.softplus(scores.negative - scores.positive.unsqueeze(1))
            assert scores.valid is not None
            terms.append((loss * scores.valid).sum() / scores.valid.sum().clamp(min=1))
        return {"modality_ranking": torch.stack(terms).sum()}

    def _weighted(self, h: Rows) -> Tensor:
        return torch.stack([w * h[m] for m, w in self.modality_weights.items()]).sum(0)

    def user_item_matrix(self, data: HeteroData) -> SparseMatrix:
        """The full graph, or in training that of this epoch's edges; a subgraph has just those."""
        if is_subgraph(data) or not (self.training and self.prune):
            return super().user_item_matrix(data)
        edges, seed = graph.user_history(data, "sym"), int(self.draw_seed)
        if self._pruned is None or self._pruned[0] != seed or self._pruned[1] is not edges:
            generator = Generator().manual_seed(seed)  # on the CPU: one draw on every device
            kept = degree_sample(edges.value, int(edges.nnz * (1 - self.prune)), generator)
            made = bipartite_sym(edges.row[kept], edges.col[kept], *edges.shape)
            self._pruned = (seed, edges, made)
        return self._pruned[2]

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        """Move to a device or type; the pruned graph of the old one is forgotten."""
        self._pruned = None
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call, no-any-return]
