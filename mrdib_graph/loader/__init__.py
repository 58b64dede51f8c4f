"""Training batches."""

from mrdib_graph.loader.batch_nodes import BatchNodes, all_nodes, distinct_nodes
from mrdib_graph.loader.triplet_loader import TripletLoader

__all__ = ["BatchNodes", "TripletLoader", "all_nodes", "distinct_nodes"]
