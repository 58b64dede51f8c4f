"""Estimators of the mutual information, or another dependence, between two codes."""

from mrdib_graph.estimators.club import CLUB
from mrdib_graph.estimators.gaussian import Gaussian
from mrdib_graph.estimators.hsic import HSIC
from mrdib_graph.estimators.infonce import InfoNCE
from mrdib_graph.estimators.mi_estimator import MIEstimator
from mrdib_graph.estimators.mine import MINE

__all__ = ["CLUB", "HSIC", "MINE", "Gaussian", "InfoNCE", "MIEstimator"]
