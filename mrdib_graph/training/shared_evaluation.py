"""One evaluation by all processes, each of which ranks the items of its share of the users."""

from __future__ import annotations

import torch
from torch import Tensor

from mrdib_graph import distributed
from mrdib_graph.evaluation import Evaluator, MetricResult
from mrdib_graph.evaluation.result import from_ranks


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
    return from_ranks(
        distributed.concatenate(result.positives[:, mine]),
        distributed.concatenate(result.ranks[mine]),
        evaluator.names,
        split,
        result.masked,
        result.num_candidates,
    )
