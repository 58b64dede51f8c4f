"""Multimodal recommendation on graphs, with the MRdIB loss module.

A multimodal recommender is two functions: ``encode`` (graph to one embedding table per modality)
and ``fuse`` (those tables to one).  MRdIB is a layer and a loss between them; everything else feeds
these two or reads their result::

    raw files -> datasets -> HeteroData -> transforms (split, graphs) -> loader -> Triplets
                                                                             |
    backbone.encode -> {node type: {modality: rows}} -> mrdib.compress -> codes -> backbone.fuse
                                                            |                          |
                                kl, redundancy, unique, estimator terms     ranking, own terms
                                                            +---- trainer: one backward ----+
                                                                             |
        evaluator (full ranking) -> metrics, tests, information profile -> tracker -> MLflow UI

Names are loaded at first use, so importing the package costs nothing beyond them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mrdib_graph import datasets, graph, nn, transforms
    from mrdib_graph.backbones import LATTICE, VBPR, Backbone, LightGCN
    from mrdib_graph.backbones.late_fusion import LateFusion
    from mrdib_graph.estimators import MIEstimator
    from mrdib_graph.evaluation import Evaluator, EvaluatorConfig
    from mrdib_graph.information import information_profile
    from mrdib_graph.loader import TripletLoader
    from mrdib_graph.mrdib import MRdIB
    from mrdib_graph.recommender import Recommender
    from mrdib_graph.serving import Bundle
    from mrdib_graph.training import FitResult, Trainer, TrainerConfig

from mrdib_graph.version import __version__ as __version__

_HOME = {
    "Backbone": "backbones",
    "Bundle": "serving",
    "Evaluator": "evaluation",
    "EvaluatorConfig": "evaluation",
    "FitResult": "training",
    "LATTICE": "backbones",
    "LateFusion": "backbones.late_fusion",
    "LightGCN": "backbones",
    "MIEstimator": "estimators",
    "MRdIB": "mrdib",
    "Recommender": "recommender",
    "Trainer": "training",
    "TrainerConfig": "training",
    "TripletLoader": "loader",
    "VBPR": "backbones",
    "information_profile": "information",
}
_MODULES = ("datasets", "graph", "nn", "transforms")

__all__ = [
    "LATTICE",
    "VBPR",
    "Backbone",
    "Bundle",
    "Evaluator",
    "EvaluatorConfig",
    "FitResult",
    "LateFusion",
    "LightGCN",
    "MIEstimator",
    "MRdIB",
    "Recommender",
    "Trainer",
    "TrainerConfig",
    "TripletLoader",
    "datasets",
    "graph",
    "information_profile",
    "nn",
    "transforms",
]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return importlib.import_module(f"mrdib_graph.{name}")
    if name in _HOME:
        return getattr(importlib.import_module(f"mrdib_graph.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
