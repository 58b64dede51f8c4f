"""Baselines without training by gradient, shown beside the trained backbones."""

from mrdib_graph.baselines.baseline import Baseline
from mrdib_graph.baselines.content_cosine import ContentCosine
from mrdib_graph.baselines.ease import EASE
from mrdib_graph.baselines.item_knn import ItemKNN
from mrdib_graph.baselines.popularity import Popularity

__all__ = ["EASE", "Baseline", "ContentCosine", "ItemKNN", "Popularity"]
