"""The MRdIB loss module: bottleneck, decoders and the terms."""

from mrdib_graph.mrdib.decoders import RankingDecoder
from mrdib_graph.mrdib.gaussian_bottleneck import GaussianBottleneck, kl_to_standard_normal
from mrdib_graph.mrdib.mrdib import MRdIB

__all__ = ["GaussianBottleneck", "MRdIB", "RankingDecoder", "kl_to_standard_normal"]
