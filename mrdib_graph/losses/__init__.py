"""Ranking, contrastive and regularisation losses."""

from mrdib_graph.losses.contrastive import cosine_distance, distinct_rows, info_nce
from mrdib_graph.losses.ranking import BPRLoss
from mrdib_graph.losses.regularisation import emb_norm, l2_half

__all__ = ["BPRLoss", "cosine_distance", "distinct_rows", "emb_norm", "info_nce", "l2_half"]
