"""The MRdIB loss module: bottleneck, decoders, the terms and their weights."""

from mrdib_graph.mrdib.decoders import RankingDecoder
from mrdib_graph.mrdib.gaussian_bottleneck import GaussianBottleneck
from mrdib_graph.mrdib.mrdib import Comparison, MRdIB
from mrdib_graph.mrdib.scores import Scores
from mrdib_graph.mrdib.variants import EvidenceBound, FreeBits, TotalCorrelation

__all__ = [
    "Comparison",
    "EvidenceBound",
    "FreeBits",
    "GaussianBottleneck",
    "MRdIB",
    "RankingDecoder",
    "Scores",
    "TotalCorrelation",
]
