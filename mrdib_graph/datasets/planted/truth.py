"""What the modalities of ``planted`` tell on the drawn data, in bits per interaction.

A finite catalogue, which users partly exhaust, holds less than the closed form says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mrdib_graph.datasets.planted.config import PlantedConfig
from mrdib_graph.datasets.planted.generator import PlantedDraws
from mrdib_graph.datasets.planted.modality_reading import Reading, read, read_either, score_tables
from mrdib_graph.partial_information import PartialInformation
from mrdib_graph.sparse import place_in_group

TEMPERATURES = (1.0, 0.9, 0.8, 0.7)
"""A reader with errors gains by trusting itself less; the best of these counts."""

MAX_USERS, MAX_ITEMS = 2_000, 20_000
BLOCK = 2**20


def enumerated_bits(
    config: PlantedConfig, draws: PlantedDraws, readings: Sequence[Reading]
) -> list[float]:
    """Bits of each reading on the drawn data, items enumerated and users in blocks.

    With P_u(i) proportional to pop_i exp s(u, i) and q_u to pop_i over the items that u has not in
    training, users weighted by held-out rows::

        I = max_c E_u sum_i P_u(i) [c s_A(u, i) - log sum_j q_u(j) exp(c s_A(u, j))] / ln 2

    Above 2,000 users a seeded sample of 2,000, above 20,000 items 20,000 drawn from pop.
    """
    generator = torch.Generator().manual_seed(config.seed)
    chosen = torch.arange(config.num_users)
    if config.num_users > MAX_USERS:
        chosen = torch.randperm(config.num_users, generator=generator)[:MAX_USERS].sort().values
    items, log_pop = torch.arange(config.num_items), draws.factors.log_popularity
    if config.num_items > MAX_ITEMS:
        cumulative = log_pop.softmax(0).cumsum(0)
        where = torch.rand(MAX_ITEMS, dtype=torch.float64, generator=generator)
        items = torch.searchsorted(cumulative, where * cumulative[-1])
        items = items.clamp(max=config.num_items - 1)
        log_pop = torch.zeros(MAX_ITEMS, dtype=torch.float64)  # popularity is in the draws

    user_truth, item_truth = draws.factors.joint(config.dials)
    item_truth = item_truth[items]
    tables = [score_tables(config.dials, draws, reading) for reading in readings]
    tables = [(users, codes[items], offset[items]) for users, codes, offset in tables]
    held_out = torch.bincount(
        draws.interactions.edge_index[0, ~draws.interactions.train], minlength=config.num_users
    )
    bits = torch.zeros(len(readings), len(TEMPERATURES), dtype=torch.float64)
    for rows in torch.split(chosen, max(1, BLOCK // config.num_items)):
        base = log_pop.masked_fill(train_mask(draws, rows, config.num_items)[:, items], -torch.inf)
        base = base.log_softmax(1)
        picked = (user_truth[rows] @ item_truth.T + base).softmax(1)
        for r, (users, codes, offset) in enumerate(tables):
            score = users[rows] @ codes.T + offset
            gain = (picked * score).sum(1)
            for c, temperature in enumerate(TEMPERATURES):
                loss = torch.logsumexp(temperature * score + base, 1)
                bits[r, c] += held_out[rows].double() @ (temperature * gain - loss)
    bits /= held_out[chosen].sum() * math.log(2)
    return [float(best) for best in bits.max(1).values]


def train_mask(draws: PlantedDraws, rows: Tensor, num_items: int) -> Tensor:
    """Which items the users ``rows`` have in training [B, I] bool."""
    edge_index = draws.interactions.edge_index[:, draws.interactions.train]
    start = torch.searchsorted(edge_index[0].contiguous(), rows)
    stop = torch.searchsorted(edge_index[0].contiguous(), rows, right=True)
    degree = stop - start
    row = torch.arange(len(rows)).repeat_interleave(degree)
    place = place_in_group(row) + start[row]
    mask = torch.zeros(len(rows), num_items, dtype=torch.bool)
    mask[row, edge_index[1, place]] = True
    return mask


def enumerated_split(
    config: PlantedConfig, draws: PlantedDraws, pair: tuple[str, str]
) -> PartialInformation:
    """The parts of a pair on the drawn data.

    The union V is what :func:`read_either` shows, averaged over which modality comes first, so
    that swapping the pair swaps the parts.
    """
    first, second = (read(config, draws, [m]) for m in pair)
    readings = [first, second, read(config, draws, pair)]
    readings += [read_either(first, second), read_either(second, first)]
    i1, i2, i12, v12, v21 = enumerated_bits(config, draws, readings)
    union = (v12 + v21) / 2
    return PartialInformation(i1 + i2 - union, (union - i2, union - i1), i12 - union, i12)
