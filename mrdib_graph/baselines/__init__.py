"""Closed-form baselines: every comparison shows them beside the trained backbones."""

from mrdib_graph.baselines.baseline import Baseline
from mrdib_graph.baselines.ease import EASE
from mrdib_graph.baselines.item_knn import ItemKNN
from mrdib_graph.baselines.popularity import Popularity

__all__ = ["EASE", "Baseline", "ItemKNN", "Popularity"]
