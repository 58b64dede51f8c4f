"""Public checks for third parties: backbones, estimators, losses, metrics and data sets."""

from mrdib_graph.testing.backbones import check_backbone
from mrdib_graph.testing.datasets import check_dataset
from mrdib_graph.testing.estimators import check_estimator
from mrdib_graph.testing.losses import check_loss
from mrdib_graph.testing.metrics import check_metric
from mrdib_graph.testing.raw_amazon import write_raw_amazon
from mrdib_graph.testing.tiny_data import tiny_data

__all__ = [
    "check_backbone",
    "check_dataset",
    "check_estimator",
    "check_loss",
    "check_metric",
    "tiny_data",
    "write_raw_amazon",
]
