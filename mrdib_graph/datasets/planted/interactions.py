"""Interactions of the ``planted`` data set and their split, drawn in float64."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mrdib_graph.datasets.planted.config import MIN_TRAINED_DEGREE, PlantedConfig
from mrdib_graph.datasets.planted.factors import Factors
from mrdib_graph.errors import ConfigError
from mrdib_graph.sparse import place_in_group

DENSE_ITEMS = 20_000
"""Largest catalogue whose scores are all made; above, candidates are drawn."""

CANDIDATES, CANDIDATES_PER_PICK = 2_048, 40
BLOCK = 2**21
"""Scores made at a time: 16 MB."""


@dataclass(frozen=True)
class PlantedInteractions:
    """Interactions sorted by user, then item, with their split.

    Shapes:
        ``edge_index`` [2, E]; ``train``, ``val``, ``test`` [E] bool.
    """

    edge_index: Tensor
    train: Tensor
    val: Tensor
    test: Tensor


def draw_degrees(config: PlantedConfig, generator: torch.Generator) -> Tensor:
    """Interactions of each user [U]: the minimum plus a log-normal share, at most I / 4."""
    normal = torch.randn(config.num_users, dtype=torch.float64, generator=generator)
    share = torch.exp(config.activity_spread * normal)
    above = config.num_interactions / config.num_users - config.min_degree
    degrees = (config.min_degree + above * share / share.mean()).round().long()
    return degrees.clamp(max=config.num_items // 4)


def draw_interactions(
    config: PlantedConfig, factors: Factors, generator: torch.Generator
) -> Tensor:
    """Draw items without replacement, p(i given u) proportional to pop_i exp s(u, i).

    The n_u largest of log pop_i + s(u, i) + Gumbel noise; above :data:`DENSE_ITEMS` items the n_u
    largest of s(u, i) + Gumbel noise among candidates drawn in proportion to pop.

    Returns:
        ``edge_index`` [2, E], sorted by user, then item.
    """
    degrees = draw_degrees(config, generator)
    users, items = factors.joint(config.dials)
    picks = _dense_picks if config.num_items <= DENSE_ITEMS else _candidate_picks
    edge_index = torch.cat(picks(degrees, users, items, factors.log_popularity, generator), dim=1)
    return edge_index[:, (edge_index[0] * config.num_items + edge_index[1]).argsort()]


def _dense_picks(
    degrees: Tensor,
    users: Tensor,
    items: Tensor,
    log_popularity: Tensor,
    generator: torch.Generator,
) -> list[Tensor]:
    found = []
    for rows in torch.split(torch.arange(len(users)), max(1, BLOCK // len(items))):
        score = users[rows] @ items.T + log_popularity
        score += _gumbel(score.shape, generator)
        found.append(_largest(score, rows, degrees[rows]))
    return found


def _candidate_picks(
    degrees: Tensor,
    users: Tensor,
    items: Tensor,
    log_popularity: Tensor,
    generator: torch.Generator,
) -> list[Tensor]:
    cumulative = log_popularity.softmax(0).cumsum(0)
    counts = (CANDIDATES_PER_PICK * degrees).clamp(min=CANDIDATES)
    # Users of like degree share a block, so that few candidates are drawn in vain.
    by_degree = counts.argsort(stable=True)
    found = []
    for rows in torch.split(by_degree, max(1, BLOCK // (int(counts.max()) * items.size(1)))):
        width = int(counts[rows].max())
        where = torch.rand(len(rows), width, dtype=torch.float64, generator=generator)
        candidate = torch.searchsorted(cumulative, where * cumulative[-1]).clamp(max=len(items) - 1)
        candidate[torch.arange(width) >= counts[rows, None]] = len(items)  # sorted to the end
        candidate = candidate.sort(dim=1).values
        unusable = candidate == len(items)
        unusable[:, 1:] |= candidate[:, 1:] == candidate[:, :-1]
        if bool(((~unusable).sum(1) < degrees[rows]).any()):
            raise ConfigError(
                "popularity_spread: so few items hold all popularity that a user's candidates "
                "are fewer than her interactions; lower popularity_spread or num_interactions"
            )
        candidate.clamp_(max=len(items) - 1)
        score = torch.bmm(items[candidate], users[rows].unsqueeze(2)).squeeze(2)
        score += _gumbel(score.shape, generator)
        score[unusable] = -torch.inf
        column = _largest(score, torch.arange(len(rows)), degrees[rows])
        found.append(torch.stack([rows[column[0]], candidate[column[0], column[1]]]))
    return found


def _largest(score: Tensor, rows: Tensor, degrees: Tensor) -> Tensor:
    """Row names and columns [2, *] of the ``degrees`` largest scores of each row."""
    most = int(degrees.max())
    columns = score.topk(most, dim=1).indices
    taken = torch.arange(most) < degrees[:, None]
    return torch.stack([rows.repeat_interleave(degrees), columns[taken]])


def draw_split(
    config: PlantedConfig, edge_index: Tensor, generator: torch.Generator
) -> PlantedInteractions:
    """Per user, at random, max(1, round(0.1 n)) rows for test, as many for validation.

    Rows of cold items are set aside first: a random half goes to validation, the rest to test, and
    n counts what is left.  A user with fewer than three rows left keeps them for training.
    """
    user, item = edge_index
    shuffle = torch.rand(len(user), dtype=torch.float64, generator=generator)
    items = torch.randperm(config.num_items, generator=generator)
    is_cold = torch.zeros(config.num_items, dtype=torch.bool)
    is_cold[items[: round(config.cold_items * config.num_items)]] = True
    cold = is_cold[item]

    warm = (~cold).nonzero().squeeze(1)
    warm = warm[shuffle[warm].argsort()]
    warm = warm[user[warm].argsort(stable=True)]  # by user, in random order within each
    count = torch.bincount(user[warm], minlength=config.num_users)
    held = (0.1 * count.double()).round().long().clamp(min=1)
    held[count < MIN_TRAINED_DEGREE] = 0
    rank = place_in_group(user[warm])
    limit = held[user[warm]]

    test, val = torch.zeros_like(cold), torch.zeros_like(cold)
    test[warm] = rank < limit
    val[warm] = (rank >= limit) & (rank < 2 * limit)
    set_aside = cold.nonzero().squeeze(1)
    set_aside = set_aside[torch.randperm(len(set_aside), generator=generator)]
    val[set_aside[: len(set_aside) // 2]] = True
    test[set_aside[len(set_aside) // 2 :]] = True
    return PlantedInteractions(edge_index, ~(test | val), val, test)


def _gumbel(shape: torch.Size, generator: torch.Generator) -> Tensor:
    return -torch.empty(shape, dtype=torch.float64).exponential_(generator=generator).log()
