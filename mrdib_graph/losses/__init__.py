"""Ranking, contrastive and regularisation losses."""

from mrdib_graph.losses.bce import BCELoss
from mrdib_graph.losses.bpr import BPRLoss
from mrdib_graph.losses.ccl import CCLLoss
from mrdib_graph.losses.contrastive import cosine_distance, distinct_rows, info_nce, log_sum_exp
from mrdib_graph.losses.direct_au import DirectAULoss
from mrdib_graph.losses.divergence import kl_to_standard_normal
from mrdib_graph.losses.pair_scores import PairRows, Pairs, PairScores
from mrdib_graph.losses.ranking import RankingLoss
from mrdib_graph.losses.regularisation import emb_norm, l2_half
from mrdib_graph.losses.softmax import FullSoftmaxLoss, SoftmaxLoss
from mrdib_graph.losses.terms import join_terms, join_weights

__all__ = [
    "BCELoss",
    "BPRLoss",
    "CCLLoss",
    "DirectAULoss",
    "FullSoftmaxLoss",
    "PairRows",
    "PairScores",
    "Pairs",
    "RankingLoss",
    "SoftmaxLoss",
    "cosine_distance",
    "distinct_rows",
    "emb_norm",
    "info_nce",
    "join_terms",
    "join_weights",
    "kl_to_standard_normal",
    "l2_half",
    "log_sum_exp",
]
