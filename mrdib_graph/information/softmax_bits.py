"""Exact log probability of held-out choices, in blocks of users."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mrdib_graph.information.held_out_choices import HeldOutChoices
from mrdib_graph.information.sources import Source

_SCORES = 4_000_000  # user-item scores at a time: 32 MB
MAX_ITEMS = 50_000
SAMPLED_ITEMS = 4_096


def log_choice(
    rows: HeldOutChoices, sources: Sequence[Source], weights: Sequence[Tensor], gamma: Tensor
) -> Tensor:
    r"""Log of ``p(i | u) = softmax_i l(u, i)`` over the items that u has not in training [n].

    :math:`l(u, i) = \gamma_f \log q_i + \sum_m \sum_k w_{fmk} z_{mk}(u) z_{mk}(i)` with the
    coefficients of the user's fold f.  Above 50,000 items the normaliser is estimated on 4,096
    items drawn from q, the same for every user and every set of sources.

    Args:
        rows: Held-out interactions.
        sources: The sources of the set, possibly none.
        weights: For each source, coefficients of every fold [folds, d].
        gamma: Exponent of popularity of every fold [folds].
    """
    users, at = rows.users
    fold = torch.empty_like(users)
    fold[at] = rows.fold
    log_q = rows.popularity.log()
    none = log_q.new_zeros(rows.num_items, 1)
    item = torch.cat([none, *(s.item for s in sources)], 1)
    drawn = None
    if rows.num_items > MAX_ITEMS:
        drawn = rows.draw_items(SAMPLED_ITEMS, torch.Generator().manual_seed(0))
    columns = item if drawn is None else item[drawn]
    out = log_q.new_empty(rows.user.numel())
    block = max(1, _SCORES // columns.size(0))
    for start in range(0, users.numel(), block):
        u, f = users[start : start + block], fold[start : start + block]
        parts = [s.user[u] * w[f] for s, w in zip(sources, weights, strict=True)]
        reader = torch.cat([log_q.new_zeros(u.numel(), 1), *parts], 1)
        score = reader @ columns.T
        exponent = gamma[f].unsqueeze(1)
        if drawn is None:
            score += exponent * log_q
            score[rows.training_items(u)] = -torch.inf
        else:  # importance weights of draws from q
            score += (exponent - 1) * log_q[drawn] - log_q.new_tensor(drawn.numel()).log()
            score[rows.in_training(u.unsqueeze(1), drawn)] = -torch.inf
        here = (at >= start) & (at < start + block)
        local, positive = at[here] - start, rows.item[here]
        value = (reader[local] * item[positive]).sum(1) + gamma[f][local] * log_q[positive]
        out[here] = value - score.logsumexp(1)[local]
    return out
