"""What MGCN and its successors align: the side view of a node with its behaviour view."""

from __future__ import annotations

import torch
from torch import Tensor

from mrdib_graph.backbones.backbone import Step
from mrdib_graph.losses import distinct_rows, info_nce


def side_contrast(step: Step, temperature: float) -> Tensor:
    r"""Side against behaviour rows of the batch, from `"Multi-View Graph Convolutional Network for
    Multimedia Recommendation" <https://arxiv.org/abs/2308.03588>`_.

    .. math::
        \mathrm{NCE}(\mathrm{side}_i, c_i) + \mathrm{NCE}(\mathrm{side}_u, c_u)

    over the observed items and the users of the batch, repeats included.

    Args:
        step: A training step whose fused rows have the views ``'side'`` and ``'behavior'``.
        temperature: See :func:`~mrdib_graph.losses.info_nce`.

    Returns:
        Sum of the two, [] in nats.
    """
    losses: list[Tensor] = []
    for fused, nodes in (
        (step.item, step.batch.pos_item),
        (step.user, step.batch.user),
    ):
        rows, count = distinct_rows(nodes)  # a repeated node has the same rows
        side, behavior = fused.views["side"][rows], fused.views["behavior"][rows]
        losses.append(info_nce(side, behavior, temperature, count=count))
    return torch.stack(losses).sum()
