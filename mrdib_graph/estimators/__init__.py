"""Estimators of the mutual information between two codes."""

from mrdib_graph.estimators.club import CLUB
from mrdib_graph.estimators.gaussian import Gaussian
from mrdib_graph.estimators.mi_estimator import MIEstimator
from mrdib_graph.estimators.mine import MINE

__all__ = ["CLUB", "MINE", "Gaussian", "MIEstimator"]
