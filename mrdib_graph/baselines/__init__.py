"""Baselines without training by gradient, shown beside the trained backbones."""

from mrdib_graph.baselines.baseline import Baseline
from mrdib_graph.baselines.cease import CEASE, AddEASE
from mrdib_graph.baselines.content_cosine import ContentCosine
from mrdib_graph.baselines.content_knn import ContentKNN
from mrdib_graph.baselines.content_rows import content_rows
from mrdib_graph.baselines.ease import EASE
from mrdib_graph.baselines.item_knn import ItemKNN
from mrdib_graph.baselines.plus_content import EASEContent, ItemKNNContent
from mrdib_graph.baselines.popularity import Popularity

__all__ = [
    "CEASE",
    "EASE",
    "AddEASE",
    "Baseline",
    "ContentCosine",
    "ContentKNN",
    "EASEContent",
    "ItemKNN",
    "ItemKNNContent",
    "Popularity",
    "content_rows",
]
