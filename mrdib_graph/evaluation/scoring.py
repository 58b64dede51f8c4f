"""Score blocks that the ranking may write to, from embedding tables or from a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError, TrainingError

ScoreFn = Callable[[Tensor], Tensor]
"""User ids [b] to the scores of all items [b, I]."""

_CACHED = 2**22
"""Scores of a block: 16 MB of float32, about a CPU's cache.

Smaller blocks gain a few percent on an idle machine; on a busy one every block costs the threads
another wait for each other.
"""

_MIN_USERS = 128
"""Smaller blocks, which very many items would ask for, cost more calls than they save."""


def blocks(users: Tensor, batch_size: int, num_items: int) -> Iterator[Tensor]:
    """Users in their order, at most ``batch_size`` at once, fewer where there are many items."""
    size = min(batch_size, max(_MIN_USERS, _CACHED // num_items))
    for start in range(0, users.numel(), size):
        yield users[start : start + size]


def from_tables(user_table: Tensor, item_table: Tensor, num_users: int, num_items: int) -> ScoreFn:
    """Inner products of two tables, written into one buffer that each call reuses.

    Args:
        user_table: [U, w].
        item_table: [I, w].
        num_users: U of the graph.
        num_items: I of the graph.

    Raises:
        ConfigError: A table has the wrong shape.
        TrainingError: A table is not finite.
    """
    width = item_table.size(-1)
    for name, table, rows in (("user", user_table, num_users), ("item", item_table, num_items)):
        if tuple(table.shape) != (rows, width):
            raise ConfigError(
                f"{name}_table: got shape {tuple(table.shape)}, expected ({rows}, {width}), a row "
                f"for each {name} of the graph"
            )
        if not bool(torch.isfinite(table).all()):
            raise TrainingError(
                f"evaluation: the {name} table is not finite; training diverged: check the loss, "
                "or lower the learning rate"
            )
    users_detached, transposed = user_table.detach(), item_table.detach().t()
    buffer = transposed.new_empty(0, num_items)

    def score(users: Tensor) -> Tensor:
        nonlocal buffer
        if buffer.size(0) < users.numel():
            buffer = transposed.new_empty(users.numel(), num_items)
        rows = users_detached[users.to(users_detached.device)]
        return torch.mm(rows, transposed, out=buffer[: users.numel()])

    return score


def from_function(score_fn: ScoreFn, num_items: int) -> ScoreFn:
    """A function that returns a copy of the scores, for masking must not reach a cached table.

    Raises:
        ConfigError: Raised by the returned function for scores that are not [b, I].
    """

    def score(users: Tensor) -> Tensor:
        scores = score_fn(users).detach()
        if tuple(scores.shape) != (users.numel(), num_items):
            raise ConfigError(
                f"score_fn: got scores of shape {tuple(scores.shape)} for {users.numel()} users, "
                f"expected ({users.numel()}, {num_items})"
            )
        dtype = scores.dtype if scores.is_floating_point() else torch.float64
        return torch.empty(scores.shape, dtype=dtype, device=scores.device).copy_(scores)

    return score
