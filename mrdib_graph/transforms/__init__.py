"""Transforms from ``HeteroData`` to ``HeteroData``: splits, scaling and derived graphs."""

from mrdib_graph.transforms.align_features import AlignFeatures
from mrdib_graph.transforms.cast_features import CastFeatures
from mrdib_graph.transforms.interest_item_graph import InterestItemGraph
from mrdib_graph.transforms.item_knn_graph import ItemKNNGraph
from mrdib_graph.transforms.mask_features import MaskFeatures
from mrdib_graph.transforms.max_item_graph import MaxItemGraph
from mrdib_graph.transforms.propagate_features import PropagateFeatures
from mrdib_graph.transforms.scale_features import ScaleFeatures
from mrdib_graph.transforms.second_order_graph import SecondOrderGraph
from mrdib_graph.transforms.split_interactions import SplitInteractions
from mrdib_graph.transforms.split_leaks import split_leaks
from mrdib_graph.transforms.user_cooccurrence_graph import UserCooccurrenceGraph
from mrdib_graph.transforms.user_item_graph import UserHistoryGraph, UserItemGraph

__all__ = [
    "AlignFeatures",
    "CastFeatures",
    "InterestItemGraph",
    "ItemKNNGraph",
    "MaskFeatures",
    "MaxItemGraph",
    "PropagateFeatures",
    "ScaleFeatures",
    "SecondOrderGraph",
    "SplitInteractions",
    "split_leaks",
    "UserCooccurrenceGraph",
    "UserHistoryGraph",
    "UserItemGraph",
]
