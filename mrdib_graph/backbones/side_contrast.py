"""What MGCN and its successors align: the side view of a node with its behaviour view."""

from __future__ import annotations

from torch import Tensor

from mrdib_graph.backbones.backbone import Step
from mrdib_graph.losses import info_nce


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
    size = step.batch.pos_item.numel()
    user, item = step.user.views, step.item.views
    items = info_nce(item["side"][:size], item["behavior"][:size], temperature)
    return items + info_nce(user["side"], user["behavior"], temperature)
