"""Contrastive losses, in blocks of rows so that no table of scores against all nodes is kept."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

_BLOCK_VALUES = 2**20  # scores of one block: 4 MB


def info_nce(
    a: Tensor,
    b: Tensor,
    temperature: float,
    candidates: Tensor | None = None,
    normalize: bool = True,
) -> Tensor:
    r"""Each row of a is to be told its own row of b among candidates.

    .. math::
        \frac{1}{n} \sum_k -\log \frac{\exp(\cos(a_k, b_k) / \tau)}
        {\sum_l \exp(\cos(a_k, c_l) / \tau)}

    with the rows of b as candidates c by default, duplicates included.  From `"Representation
    Learning with Contrastive Predictive Coding" <https://arxiv.org/abs/1807.03748>`_.  Scores are
    made in blocks of rows and made again in the backward pass, so memory is that of one block.

    Args:
        a: Rows [n, d].
        b: The row that belongs to each [n, d].
        temperature: :math:`\tau`, above 0.
        candidates: Rows [N, d] to choose from; they should contain b.
        normalize: Use cosines; inner products otherwise.

    Returns:
        Mean loss, [] in nats.
    """
    candidates = b if candidates is None else candidates
    if normalize:
        a, b, candidates = (F.normalize(x, dim=-1, eps=1e-12) for x in (a, b, candidates))
    rows = max(1, _BLOCK_VALUES // max(1, candidates.size(0)))
    if rows >= a.size(0):
        return _block(a, b, candidates, temperature) / a.size(0)
    sums: list[Tensor] = [
        checkpoint(
            _block,
            a[start : start + rows],
            b[start : start + rows],
            candidates,
            temperature,
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for start in range(0, a.size(0), rows)
    ]
    return torch.stack(sums).sum() / a.size(0)


def _block(a: Tensor, b: Tensor, candidates: Tensor, temperature: float) -> Tensor:
    """Summed loss of a block of rows."""
    own = (a * b).sum(-1) / temperature
    return ((a @ candidates.T / temperature).logsumexp(-1) - own).sum()


def cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean of 1 - cos(a_k, b_k): [n, d], [n, d] -> []."""
    return 1 - F.cosine_similarity(a, b, dim=-1).mean()
