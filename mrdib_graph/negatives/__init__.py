"""Which items an observed one is compared with in training."""

from mrdib_graph.negatives.history import History
from mrdib_graph.negatives.own import UniformSampler
from mrdib_graph.negatives.pool import (
    AllSampler,
    HardSampler,
    InBatchSampler,
    PoolSampler,
    PopularitySampler,
    SharedSampler,
)
from mrdib_graph.negatives.sampler import NegativeSampler

__all__ = [
    "AllSampler",
    "HardSampler",
    "History",
    "InBatchSampler",
    "NegativeSampler",
    "PoolSampler",
    "PopularitySampler",
    "SharedSampler",
    "UniformSampler",
]
