"""The file that MLflow stores and runs to make the served model: code as text, no pickle."""

from mlflow.models import set_model

from mrdib_graph.serving.mlflow_model import RecommenderModel

set_model(RecommenderModel())
