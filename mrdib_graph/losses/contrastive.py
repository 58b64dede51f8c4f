"""Contrastive losses, in blocks of rows so that no table of scores against all nodes is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_BLOCK_VALUES = 2**20  # scores of one block: 4 MB
_BLOCK_ROWS = 512  # few rows against all candidates would read every candidate for each few


def info_nce(
    a: Tensor,
    b: Tensor,
    temperature: float,
    candidates: Tensor | None = None,
    normalize: bool = True,
    count: Tensor | None = None,
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
        count: How many equal rows each row stands for [n], as an anchor and, without
            ``candidates``, as a candidate; the result is that of the repeated rows.  A batch
            names popular nodes many times, and computing each once is several times as fast.

    Returns:
        Mean loss, [] in nats.
    """
    of_candidate = count if candidates is None else None
    candidates = b if candidates is None else candidates
    if normalize:
        a, b, candidates = (F.normalize(x, dim=-1, eps=1e-12) for x in (a, b, candidates))
    a = a / temperature
    log_count = None if of_candidate is None else of_candidate.to(a.dtype).log()
    losses = log_sum_exp(a, candidates, log_count) - (a * b).sum(-1)
    mean: Tensor = losses.mean() if count is None else (losses * count).sum() / count.sum()
    return mean


def log_sum_exp(a: Tensor, candidates: Tensor, offset: Tensor | None = None) -> Tensor:
    r"""Log of the sum of :math:`e^{a_k \cdot c_l + o_l}` over the candidates, in blocks.

    Shapes:
        ``a`` [n, d], ``candidates`` [N, d], ``offset`` [N], 0 for None -> [n].
    """
    total: Tensor = _LogSumExp.apply(a, candidates, offset)  # type: ignore[no-untyped-call]
    return total


def distinct_rows(index: Tensor) -> tuple[Tensor, Tensor]:
    """One position of each distinct value of an index [n], and how often the value occurs."""
    values, inverse, counts = torch.unique(index, return_inverse=True, return_counts=True)
    positions = torch.empty_like(values)
    positions[inverse] = torch.arange(index.numel(), device=index.device)
    return positions, counts


def cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean of 1 - cos(a_k, b_k): [n, d], [n, d] -> []."""
    return 1 - F.cosine_similarity(a, b, dim=-1).mean()


class _LogSumExp(torch.autograd.Function):
    """See :func:`log_sum_exp`; the scores are made again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, candidates: Tensor, offset: Tensor | None) -> Tensor:
        out = a.new_full((a.size(0),), -torch.inf)
        for rows, cols in _blocks(a.size(0), candidates.size(0)):
            part = _scores(a, candidates, offset, rows, cols).logsumexp(-1)
            torch.logaddexp(out[rows], part, out=out[rows])
        ctx.save_for_backward(a, candidates, offset, out)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        a, candidates, offset, out = ctx.saved_tensors
        grad_a, grad_candidates = torch.zeros_like(a), torch.zeros_like(candidates)
        for rows, cols in _blocks(a.size(0), candidates.size(0)):
            score = _scores(a, candidates, offset, rows, cols)
            share = score.sub_(out[rows].unsqueeze(1)).exp_().mul_(grads[0][rows].unsqueeze(1))
            grad_a[rows].addmm_(share, candidates[cols])
            grad_candidates[cols].addmm_(share.T, a[rows])
        return grad_a, grad_candidates, None


def _scores(
    a: Tensor, candidates: Tensor, offset: Tensor | None, rows: slice, cols: slice
) -> Tensor:
    a, candidates = a[rows], candidates[cols]
    if offset is None:
        return a @ candidates.T
    return torch.addmm(offset[cols], a, candidates.T)


def _blocks(num_rows: int, num_candidates: int) -> Iterator[tuple[slice, slice]]:
    height = max(1, min(num_rows, _BLOCK_ROWS))
    width = max(1, _BLOCK_VALUES // height)
    for start in range(0, num_rows, height):
        rows = slice(start, min(start + height, num_rows))
        for first in range(0, num_candidates, width):
            yield rows, slice(first, min(first + width, num_candidates))
