"""Ranking and regularisation losses."""

from mrdib_graph.losses.ranking import BPRLoss
from mrdib_graph.losses.regularisation import emb_norm, l2_half

__all__ = ["BPRLoss", "emb_norm", "l2_half"]
