"""Figures: curves, gains, information profile, sensitivity, missing features, codes, estimators.

Every function takes plain numbers, dictionaries or tensors and returns a
``matplotlib.figure.Figure``; nothing is shown and no global state of matplotlib is touched.
matplotlib and scikit-learn are imported at use.
"""

from mrdib_graph.plotting.arm_curves import arm_curves
from mrdib_graph.plotting.arms import arm_bars
from mrdib_graph.plotting.code_map import code_map
from mrdib_graph.plotting.curves import curves
from mrdib_graph.plotting.data_overview import data_overview
from mrdib_graph.plotting.estimators import estimator_errors
from mrdib_graph.plotting.explanation import explanation_bars
from mrdib_graph.plotting.growth import growth_curves
from mrdib_graph.plotting.information import (
    information_bars,
    information_heat_maps,
    knock_out_bars,
)
from mrdib_graph.plotting.missing import missing_curves
from mrdib_graph.plotting.sensitivity import sensitivity

__all__ = [
    "arm_bars",
    "arm_curves",
    "code_map",
    "curves",
    "data_overview",
    "estimator_errors",
    "explanation_bars",
    "growth_curves",
    "information_bars",
    "information_heat_maps",
    "knock_out_bars",
    "missing_curves",
    "sensitivity",
]
