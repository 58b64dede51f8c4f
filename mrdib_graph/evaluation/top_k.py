"""The first k items of a ranking whose ties are broken by the lower item id."""

from __future__ import annotations

from numbers import Integral

import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError, TrainingError


def check_k(k: object, num_items: int) -> int:
    """The number of items to rank as an int.

    Raises:
        ConfigError: It is not a whole number from 1 to ``num_items``.
    """
    if isinstance(k, bool) or not isinstance(k, Integral) or not 1 <= int(k) <= num_items:
        raise ConfigError(
            f"k: got {k!r}, expected a whole number from 1 to {num_items}, the number of items"
        )
    return int(k)


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Like ``torch.topk``, with a defined order: higher score first, then lower item id.

    ``torch.topk`` promises no order among equal scores, neither within the result nor at its
    boundary.  One more score than asked for shows whether equal scores meet at the boundary; only
    rows in which two neighbours of that list are equal are ordered again, so rows without ties
    cost nothing extra.

    Args:
        scores: [b, I].
        k: Number of places, at most I.

    Returns:
        Scores [b, k] and item ids [b, k].

    Raises:
        TrainingError: A score is NaN or plus infinity.
    """
    values, items = scores.topk(min(k + 1, scores.size(1)))
    # topk takes NaN for the largest value, so the first place shows whether there is one.
    if not bool((values[:, 0] < torch.inf).all()):
        raise TrainingError(
            "evaluation: a score is NaN or plus infinity; training diverged or the scoring "
            "function is wrong: check the loss, or lower the learning rate"
        )
    tied = (values[:, 1:] == values[:, :-1]).any(1)
    at_boundary = torch.zeros_like(tied)
    if values.size(1) > k:
        at_boundary = values[:, k - 1] == values[:, k]
        values, items = values[:, :k], items[:, :k]
    if bool(tied.any()):
        rows = at_boundary.nonzero().squeeze(1)
        if rows.numel():
            items[rows] = _boundary_items(scores[rows], values[rows, -1:], k)
        rows = tied.nonzero().squeeze(1)
        ordered = items[rows].sort(1).values
        value = scores[rows.unsqueeze(1), ordered]
        value, order = value.sort(dim=1, descending=True, stable=True)
        values[rows], items[rows] = value, ordered.gather(1, order)
    return values, items


def _boundary_items(scores: Tensor, threshold: Tensor, k: int) -> Tensor:
    """Ids [b, k], in any order: all items above the threshold, and the lowest ids of those at it.

    The k largest of integer keys that are all different where it matters, hence a unique set.
    """
    num_items = scores.size(1)
    lower_id = torch.arange(num_items, 0, -1, dtype=torch.int32, device=scores.device)
    key = (scores > threshold).int().mul_(num_items).add_(lower_id)
    return key.masked_fill_(scores < threshold, 0).topk(k, sorted=False).indices
