"""Layers for anybody's model: message passing, kNN graphs, projections."""

from mrdib_graph.nn.attention_fuser import AttentionFuser
from mrdib_graph.nn.degree_sample import bipartite_sym, degree_sample
from mrdib_graph.nn.edge_dot import edge_dot
from mrdib_graph.nn.edge_softmax import edge_softmax
from mrdib_graph.nn.faiss_knn import Neighbors, faiss_knn
from mrdib_graph.nn.gated_ids import GatedIDs
from mrdib_graph.nn.hypergraph import Hypergraph
from mrdib_graph.nn.item_graph_learner import ItemGraphLearner
from mrdib_graph.nn.knn import edge_cosine, inverse_sqrt, knn, neighbor_matrix
from mrdib_graph.nn.light_conv import LightConv
from mrdib_graph.nn.missing_codes import MissingCodes
from mrdib_graph.nn.mmgcn_layer import MMGCNLayer
from mrdib_graph.nn.neighbor_search import neighbor_search
from mrdib_graph.nn.preference_gcn import PreferenceGCN
from mrdib_graph.nn.product_of_experts import ProductOfExperts, product_of_gaussians
from mrdib_graph.nn.projection import Projection
from mrdib_graph.nn.spectral_filter import SpectralFilter
from mrdib_graph.nn.user_graph_conv import UserGraphConv

__all__ = [
    "AttentionFuser",
    "GatedIDs",
    "Hypergraph",
    "ItemGraphLearner",
    "LightConv",
    "MMGCNLayer",
    "MissingCodes",
    "Neighbors",
    "PreferenceGCN",
    "ProductOfExperts",
    "Projection",
    "SpectralFilter",
    "UserGraphConv",
    "bipartite_sym",
    "degree_sample",
    "edge_cosine",
    "edge_dot",
    "edge_softmax",
    "faiss_knn",
    "inverse_sqrt",
    "knn",
    "neighbor_matrix",
    "neighbor_search",
    "product_of_gaussians",
]
