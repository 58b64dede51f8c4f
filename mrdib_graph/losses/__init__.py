"""Ranking, contrastive and regularisation losses."""

from mrdib_graph.losses.contrastive import cosine_distance, distinct_rows, info_nce
from mrdib_graph.losses.divergence import kl_to_standard_normal
from mrdib_graph.losses.pair_scores import PairScores, inner_scores, split_items
from mrdib_graph.losses.ranking import BPRLoss, RankingLoss
from mrdib_graph.losses.regularisation import emb_norm, l2_half
from mrdib_graph.losses.terms import join_terms, join_weights

__all__ = [
    "BPRLoss",
    "PairScores",
    "RankingLoss",
    "cosine_distance",
    "distinct_rows",
    "emb_norm",
    "info_nce",
    "inner_scores",
    "join_terms",
    "join_weights",
    "kl_to_standard_normal",
    "l2_half",
    "split_items",
]
