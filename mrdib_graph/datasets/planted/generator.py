"""The draws of the ``planted`` data set: factors, interactions, features and split.

Pure functions of a :class:`PlantedConfig` and one ``torch.Generator``, in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from mrdib_graph.datasets.planted.config import PlantedConfig
from mrdib_graph.datasets.planted.factors import (
    Factors,
    Features,
    draw_factors,
    draw_features,
    draw_presence,
)
from mrdib_graph.datasets.planted.interactions import (
    PlantedInteractions,
    draw_interactions,
    draw_split,
)


@dataclass(frozen=True)
class PlantedDraws:
    """Everything that was drawn for one data set."""

    factors: Factors
    interactions: PlantedInteractions
    features: dict[str, Features]


def draw(config: PlantedConfig) -> PlantedDraws:
    """Draw a whole data set from a generator seeded by ``config.seed``.

    The draws behind ``missing`` and ``cold_items`` come last, so the two change nothing else.
    """
    generator = torch.Generator().manual_seed(config.seed)
    factors = draw_factors(config, generator)
    edge_index = draw_interactions(config, factors, generator)
    rows = {m: draw_features(config, m, factors, generator) for m in config.modalities}
    features = {
        m: Features(x, draw_presence(config, m, generator), views) for m, (x, views) in rows.items()
    }
    return PlantedDraws(factors, draw_split(config, edge_index, generator), features)
