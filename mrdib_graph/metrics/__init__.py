"""Metrics of rankings: accuracy of each user, content and popularity of lists, spread over all."""

from mrdib_graph.metrics.accuracy import MAP, MRR, NDCG, HitRate, Precision, Recall
from mrdib_graph.metrics.auc import AUC
from mrdib_graph.metrics.concentration import Coverage, Gini, Personalisation
from mrdib_graph.metrics.diversity import Diversity
from mrdib_graph.metrics.exposure import ColdExposure, Novelty, Popularity
from mrdib_graph.metrics.metric import Metric
from mrdib_graph.metrics.ranking import Catalogue, Ranking

__all__ = [
    "AUC",
    "MAP",
    "MRR",
    "NDCG",
    "Catalogue",
    "ColdExposure",
    "Coverage",
    "Diversity",
    "Gini",
    "HitRate",
    "Metric",
    "Novelty",
    "Personalisation",
    "Popularity",
    "Precision",
    "Ranking",
    "Recall",
]
