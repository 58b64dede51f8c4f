"""Standard errors and bootstrap over users: the interactions of one user are not independent."""

from __future__ import annotations

import torch
from torch import Tensor

_BLOCK = 100  # draws at a time


def user_sums(values: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of each user's rows [u, s] and their number [u], from rows [n, s] and positions [n]."""
    users = int(position.max()) + 1
    sums = values.new_zeros(users, values.size(1)).index_add_(0, position, values)
    return sums, torch.bincount(position, minlength=users).to(values.dtype)


def standard_errors(values: Tensor, position: Tensor) -> Tensor:
    """Standard error of the mean of each column, users as clusters: [n, s] -> [s]."""
    sums, count = user_sums(values, position)
    residual = sums - count.unsqueeze(1) * values.mean(0)
    return residual.square().sum(0).sqrt() / values.size(0)


def bootstrap_means(
    values: Tensor, position: Tensor, draws: int, generator: torch.Generator
) -> Tensor:
    """Means of each column on all rows (first), then in each draw of users [1 + draws, s]."""
    sums, count = user_sums(values, position)
    users = count.numel()
    means = [values.mean(0, keepdim=True)]
    for start in range(0, draws, _BLOCK):
        size = min(_BLOCK, draws - start)
        drawn = torch.randint(users, (size, users), generator=generator)
        times = values.new_zeros(size, users).scatter_add_(
            1, drawn, values.new_ones(1, 1).expand(size, users)
        )
        means.append(times @ sums / (times @ count).unsqueeze(1))
    return torch.cat(means)


def interval(draws: Tensor) -> tuple[float, float]:
    """Percentile interval of 95 percent."""
    low, high = torch.quantile(draws, draws.new_tensor([0.025, 0.975])).tolist()
    return low, high
