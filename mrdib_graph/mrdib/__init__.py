"""The MRdIB loss module: bottleneck, decoders, the terms and their weights."""

from mrdib_graph.mrdib.decoders import RankingDecoder
from mrdib_graph.mrdib.gaussian_bottleneck import GaussianBottleneck
from mrdib_graph.mrdib.mrdib import MRdIB
from mrdib_graph.mrdib.synergy import synergy_hinge
from mrdib_graph.mrdib.weighting import DynamicWeightAverage, UncertaintyWeighting, Weighting

__all__ = [
    "DynamicWeightAverage",
    "GaussianBottleneck",
    "MRdIB",
    "RankingDecoder",
    "UncertaintyWeighting",
    "Weighting",
    "synergy_hinge",
]
