"""An explicit synergy objective: the codes together must beat the best of them alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mrdib_graph.losses import PairScores


def synergy_hinge(fused: PairScores, alone: Sequence[PairScores], margin: float) -> Tensor:
    r"""Hinge on how far the fused codes beat the best single code in telling two items apart: [].

    .. math::
        \frac{1}{N} \sum_{(u, i, j)} \max\Big(0,\; \text{margin}
            + \max_m \mathrm{sg}\big[s_m(u, i) - s_m(u, j)\big]
            - \big(s(u, i) - s(u, j)\big)\Big)

    :math:`\mathrm{sg}` stops the gradient, so the term raises the fused difference and gives no
    reason to spoil a modality's own.  The maximum runs over the modalities that both items have; a
    triplet without any is not among the N.

    Args:
        fused: Scores of the fused rows.
        alone: Scores of each modality's code alone.
        margin: In units of the score.
    """
    best = torch.stack([scores.difference.detach() for scores in alone]).amax(0)  # [B, n]
    hinge = (margin + best - fused.difference).clamp_min(0)
    return hinge.sum() / (best > -torch.inf).sum().clamp_min(1)
