"""SOIL: graphs of second-order interest, and contrasts between what they see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Unpack

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph.backbones.backbone import Sizes, Step
from mrdib_graph.backbones.multi_view import MultiView, gates
from mrdib_graph.losses import info_nce
from mrdib_graph.nn import AttentionFuser
from mrdib_graph.options import NonNegative, NonNegativeInt, Positive, checked
from mrdib_graph.transforms import InterestItemGraph, SecondOrderGraph
from mrdib_graph.transforms.second_order_graph import RANorm
from mrdib_graph.typing import Fused, Rows, Terms


class SOIL(MultiView):
    r"""SOIL, from "SOIL: Contrastive Second-Order Interest Learning for Multimodal
    Recommendation" (Su, Li, Li, Lu and Zhu, MM 2024), any number of modalities.

    .. math::
        c &= \mathrm{LGC}_L(S^+, [P; Q]), \qquad
        y_m = Q \odot \sigma(g_m(X_m W_m + b_m)), \qquad
        e_m = [S^+_{UI} G_m y_m;\ G_m y_m] \\
        t &= \mathrm{softmax}_m\, a(e_m), \qquad
        \mathrm{side} = \frac{1}{M + 1} \sum_m (1 - t_m)\, e_m, \qquad
        [E_U; E_I] = c + \mathrm{side}

    with :math:`S^+` and :math:`S^+_{UI}` from :class:`SecondOrderGraph` and :math:`G_m` from
    :class:`InterestItemGraph`.  Beside the ranking loss, over the users u and positives i of a
    batch,

    .. math::
        \ell_{ii} \big(\mathrm{nce}(\mathrm{side}_i, c_i) + \mathrm{nce}(\mathrm{side}_u, c_u)\big)
        + \ell_{ui} \big(\mathrm{nce}(E_u, c_i) + \mathrm{nce}(E_u, \mathrm{side}_i)\big)

    Args:
        num_layers: L, layers on the user-item graph.
        k: Neighbours per item in the kNN part of :math:`G_m`, the item itself included.
        k_interest: :math:`k_i`, items near a user's profile; see :class:`InterestItemGraph`.
        k_second_order: :math:`k_a`, pairs a user; see :class:`SecondOrderGraph`.
        second_order_weight: Weight of the added user-item graph; the paper's is 1.
        ra_norm: ``'block'`` or ``'published'``; see :class:`SecondOrderGraph`.
        interest_count: Whether :math:`G_m` counts users; the paper does not.
        exclude_history: Whether second-order items must be new to the user.
        side_scale: ``'mean'`` divides by M + 1, ``'paper'`` by 1.
        contrast_weight: :math:`\ell_{ii}`, of the contrast between the two views of a node.
        pair_contrast_weight: :math:`\ell_{ui}`, of that between users and their items.
        temperature: Of both contrasts.
        contrast_warmup_epochs: Epochs over which both weights rise linearly from 0; 0 for none.
        **sizes: See :class:`~mrdib_graph.backbones.Backbone`.

    Shapes:
        Both tables are d wide.

    Raises:
        ConfigError: No modality, or an option out of range.

    Note:
        The weight 1/2, the counts, the division and contrasts within the batch are the release's.
        With one modality :math:`1 - t_m` is 0, which would leave no content: its rows then weigh 1.
        An item that lacks a modality has a row of zeros there, which only takes part in attention.
    """

    @checked
    def __init__(
        self,
        num_layers: NonNegativeInt = 2,
        k: int = 10,
        k_interest: int = 10,
        k_second_order: NonNegativeInt = 2,
        second_order_weight: NonNegative = 0.5,
        ra_norm: RANorm = "block",
        interest_count: bool = True,
        exclude_history: bool = False,
        side_scale: Literal["mean", "paper"] = "mean",
        contrast_weight: NonNegative = 0.01,
        pair_contrast_weight: NonNegative = 0.01,
        temperature: Positive = 0.2,
        contrast_warmup_epochs: NonNegativeInt = 0,
        **sizes: Unpack[Sizes],
    ) -> None:
        super().__init__(num_layers, temperature=temperature, **sizes)
        names = tuple(self.modalities)
        self.second_order = SecondOrderGraph(
            k_second_order, second_order_weight, ra_norm, exclude_history, names
        )
        self.second_order.check_sizes(self.num_users, self.num_items)
        self.user_item, self.history = self.second_order.nodes, self.second_order.history
        self.item_graphs = InterestItemGraph(k, k_interest, interest_count, names)
        self.item_kind = self.item_graphs.kind
        self.side_divisor = len(names) + 1 if side_scale == "mean" else 1
        self.contrast_warmup_epochs = contrast_warmup_epochs
        self._contrasts = {"contrast": contrast_weight, "pair_contrast": pair_contrast_weight}
        self.gate = gates(names, self.embedding_dim)
        self.fuser = AttentionFuser(self.embedding_dim)
        self.epochs_begun: Tensor  # part of the state, so that a resumed run goes on warming up
        self.register_buffer("epochs_begun", torch.zeros((), dtype=torch.int64))
        self.register_load_state_dict_post_hook(_set_weights)  # type: ignore[no-untyped-call]
        _set_weights(self, None)

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The user-item graph and the item graphs of second-order interest."""
        return (self.second_order, self.item_graphs)

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """The behaviour view ``'id'`` plus what the modalities do not have in common."""
        del node_type
        e = torch.stack([h[m] for m in self.modalities], dim=1)  # [n, M, d]
        if e.size(1) == 1:
            side = e[:, 0]
        else:
            common, _ = self.fuser(e)
            side = e.sum(1) - common
        side = side / self.side_divisor
        return Fused(h["id"] + side, {"side": side, "behavior": h["id"]})

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        """Contrasts between the two views of a node, and between users and their items."""
        terms = super().auxiliary_loss(data, step)
        if self.loss_weights["pair_contrast"]:
            size = step.batch.pos_item.numel()
            views = [step.item.views[name][:size] for name in ("behavior", "side")]
            of_view = [info_nce(step.user.out, view, self.temperature) for view in views]
            terms["pair_contrast"] = torch.stack(of_view).sum()
        return terms

    def prepare_epoch(self, data: HeteroData, generator: torch.Generator) -> None:
        """Raise the weights of the contrasts, where they warm up."""
        del data, generator
        self.epochs_begun += 1
        _set_weights(self, None)


def _set_weights(module: Any, incompatible_keys: Any) -> None:
    """The weights of the contrasts in the current epoch."""
    del incompatible_keys
    epoch = max(1, int(module.epochs_begun))
    share = min(1.0, epoch / module.contrast_warmup_epochs) if module.contrast_warmup_epochs else 1
    module.loss_weights = {name: share * weight for name, weight in module._contrasts.items()}
