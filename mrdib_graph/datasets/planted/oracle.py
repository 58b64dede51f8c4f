"""Codes and scores of a reader of ``planted`` who knows the tastes of all users."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from mrdib_graph import graph
from mrdib_graph.datasets.planted.config import COLLABORATIVE, SYNERGY, PlantedConfig
from mrdib_graph.datasets.planted.generator import PlantedDraws
from mrdib_graph.datasets.planted.modality_reading import GroupReading, read, score_tables
from mrdib_graph.typing import Embeddings

Popularity = Literal["none", "train", "true"]


def oracle_codes(config: PlantedConfig, draws: PlantedDraws) -> Embeddings:
    """Tastes times dials, and posterior means of the factors, of each modality alone."""
    codes: Embeddings = {graph.USER: {}, graph.ITEM: {}}
    for modality in config.modalities:
        users, items, _ = score_tables(config.dials, draws, read(config, draws, [modality]))
        codes[graph.USER][modality], codes[graph.ITEM][modality] = users.float(), items.float()
    return codes


def oracle_score(
    config: PlantedConfig,
    draws: PlantedDraws,
    modalities: Sequence[str],
    *,
    synergy: bool,
    collaborative: bool,
    popularity: Popularity,
) -> Callable[[Tensor], Tensor]:
    """Scores of the joint reading; :meth:`Planted.oracle_score` documents the arguments."""
    reading = read(config, draws, modalities)
    if not synergy:
        reading.pop(SYNERGY, None)
    if collaborative:
        known = torch.ones(config.num_items, dtype=torch.float64)
        reading[COLLABORATIVE] = GroupReading(draws.factors.items[COLLABORATIVE], known)
    users, items, offset = score_tables(config.dials, draws, reading)
    if popularity == "train":
        item = draws.interactions.edge_index[1, draws.interactions.train]
        offset = offset + (torch.bincount(item, minlength=len(items)) + 1.0).log()
    elif popularity == "true":
        offset = offset + draws.factors.log_popularity

    def score(user: Tensor) -> Tensor:
        return (users[user] @ items.T + offset).float()

    return score
