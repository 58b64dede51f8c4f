"""Metrics of a part of the users or of the items, from a finished evaluation.

Ranks stay those of the full ranking: a slice of items changes which positives count, not the
candidates.  So the recall of a slice answers how many of *its* positives were found, and slices of
items are not shares that add up to the whole.  Metrics of lists, and those of all users together,
are computed on the full lists of the slice's users.
"""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.evaluation.result import MetricResult, Ranked, from_ranked
from mrdib_graph.options import checked

_InnerShare = Annotated[float, Interval(gt=0, lt=1)]


def _degree(data: HeteroData, side: int) -> Tensor:
    size = (graph.num_users(data), graph.num_items(data))[side]
    return torch.bincount(graph.interactions(data, "train")[side].cpu(), minlength=size)


@checked
def item_slices(data: HeteroData, head_share: _InnerShare = 0.2) -> dict[str, Tensor]:
    """Items by popularity: ``head``, ``tail`` and ``cold``, a partition.

    Args:
        data: The graph with its split masks.
        head_share: The share of the items with a training row, the most popular ones, that make
            the head.  Equal counts order by lower item id.

    Returns:
        Masks [I]; ``cold`` items have no training row.

    Raises:
        ConfigError: ``head_share`` is not between 0 and 1.
    """
    count = _degree(data, 1)
    cold = count == 0
    num_head = round(head_share * int((~cold).sum()))
    head = torch.zeros_like(cold)
    head[count.argsort(descending=True, stable=True)[:num_head]] = True
    return {"head": head, "tail": ~head & ~cold, "cold": cold}


def cold_items(data: HeteroData, split: graph.Split = "test") -> Tensor:
    """The items that a split shows for the first time: a row in it, none in training, mask [I].

    Raises:
        ConfigError: The split is neither ``'val'`` nor ``'test'``.
    """
    if split not in ("val", "test"):
        raise ConfigError(f"split: got {split!r}, expected val or test")
    held = graph.interactions(data, split)[1].cpu()
    shown = torch.bincount(held, minlength=graph.num_items(data)) > 0
    return shown & (_degree(data, 1) == 0)


def user_slices(data: HeteroData, bounds: tuple[int, ...] = (5, 10, 20)) -> dict[str, Tensor]:
    """Users by the number of training interactions, ``'history 5-9'`` and so on.

    Args:
        data: The graph with its split masks.
        bounds: Ascending first sizes of all slices but the lowest, which begins at 1.

    Returns:
        Masks [U]; users without a training row are in none.

    Raises:
        ConfigError: The bounds do not ascend from 2 or more.
    """
    edges = [1, *bounds]
    if any(high <= low for low, high in zip(edges, edges[1:], strict=False)):
        raise ConfigError(f"bounds: got {bounds!r}, expected ascending integers from 2")
    count = _degree(data, 0)
    masks = {}
    for low, high in zip(edges, edges[1:], strict=False):
        name = f"history {low}-{high - 1}" if high - 1 > low else f"history {low}"
        masks[name] = (count >= low) & (count < high)
    masks[f"history {edges[-1]}+"] = count >= edges[-1]
    return masks


def slice_metrics(
    result: MetricResult, users: Tensor | None = None, items: Tensor | None = None
) -> MetricResult:
    """The same metrics over the positives of some users and items.

    Args:
        result: A full evaluation.
        users: Mask [U] of the users to keep; None keeps all.
        items: Mask [I] of the items whose positives count; None keeps all.

    Returns:
        A result over the users with a positive in the slice.

    Raises:
        ConfigError: A mask is not bool.
        DataError: No positive lies in the slice.
    """
    keep = torch.ones_like(result.ranks, dtype=torch.bool)
    for name, mask, ids in zip(("users", "items"), (users, items), result.positives, strict=True):
        if mask is None:
            continue
        if mask.dtype != torch.bool:
            raise ConfigError(f"{name}: got a tensor of {mask.dtype}, expected a bool mask")
        keep &= mask.cpu()[ids]
    if not bool(keep.any()):
        raise DataError(f"slice: it holds no positive of the {result.split} split")
    about = (result.split, result.masked, result.num_candidates)
    return from_ranked(_part(result, keep), result.metrics, result.ranking.catalogue, *about)


def _part(result: MetricResult, keep: Tensor) -> Ranked:
    """What the ranking left of some positives [P] and of their users."""
    positives, ranks, lists, share = result.ranked
    return Ranked(
        positives[:, keep],
        ranks[keep],
        None if lists is None else lists[torch.isin(result.users, positives[0, keep])],
        None if share is None else share[keep],
    )


def by_slice(result: MetricResult, data: HeteroData) -> dict[str, MetricResult]:
    """Results of all slices of items and users that hold a positive, by name."""
    user, item = result.positives
    sides = (("items", item_slices(data), item), ("users", user_slices(data), user))
    return {
        name: slice_metrics(result, **{side: mask})
        for side, masks, ids in sides
        for name, mask in masks.items()
        if bool(mask[ids].any())
    }
