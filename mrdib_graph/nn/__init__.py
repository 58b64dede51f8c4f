"""Layers for anybody's model: message passing, kNN graphs, projections."""

from mrdib_graph.nn.attention_fuser import AttentionFuser
from mrdib_graph.nn.degree_sample import bipartite_sym, degree_sample
from mrdib_graph.nn.gated_ids import GatedIDs
from mrdib_graph.nn.item_graph_learner import ItemGraphLearner
from mrdib_graph.nn.knn import edge_cosine, inverse_sqrt, knn, neighbor_matrix
from mrdib_graph.nn.light_conv import LightConv
from mrdib_graph.nn.projection import Projection
from mrdib_graph.nn.spectral_filter import SpectralFilter

__all__ = [
    "AttentionFuser",
    "GatedIDs",
    "ItemGraphLearner",
    "LightConv",
    "Projection",
    "SpectralFilter",
    "bipartite_sym",
    "degree_sample",
    "edge_cosine",
    "inverse_sqrt",
    "knn",
    "neighbor_matrix",
]
