"""From trained tables to recommendations: a folder of plain files, read without the model.

``mrdib_graph.serving.mlflow_model`` wraps a bundle as an MLflow model; import it where it is used.
"""

from mrdib_graph.serving.bundle import Bundle
from mrdib_graph.serving.recommend import Recommendation
from mrdib_graph.serving.storage import BundleInfo

__all__ = ["Bundle", "BundleInfo", "Recommendation"]
