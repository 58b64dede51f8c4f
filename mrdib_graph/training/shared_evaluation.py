"""One evaluation by all processes, each of which ranks the items of its share of the users."""

from __future__ import annotations

import torch
from torch import Tensor

from mrdib_graph import distributed
from mrdib_graph.evaluation import Evaluator, MetricResult
from mrdib_graph.evaluation.result import Ranked, from_ranked


def evaluate(evaluator: Evaluator, tables: tuple[Tensor, Tensor], split: str) -> MetricResult:
    """The evaluation of the inner products of two tables, in every process.

    Args:
        evaluator: Ranks and scores.
        tables: [U, w] and [I, w], the same in every process.
        split: ``'val'`` or ``'test'``.
    """
    if distributed.size() == 1:
        return evaluator(*tables, split)
    users = evaluator.users(split)
    each = users[distributed.shard(users.numel())]
    # the share of a last process may be empty where users are few: it ranks one, and drops it
    result = evaluator(*tables, split, each if each.numel() else users[:1])
    mine = torch.isin(result.positives[0], each)
    positives, ranks, lists, share = result.ranked
    if lists is not None:
        mine_alone = lists[torch.isin(result.users, each)]
        lists = distributed.concatenate(mine_alone.t()).t().contiguous()
    whole = Ranked(
        distributed.concatenate(positives[:, mine]),
        distributed.concatenate(ranks[mine]),
        lists,
        None if share is None else distributed.concatenate(share[mine]),
    )
    about = (split, result.masked, result.num_candidates)
    return from_ranked(whole, result.metrics, result.ranking.catalogue, *about)
