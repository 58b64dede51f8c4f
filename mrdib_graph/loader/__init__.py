"""Training batches."""

from mrdib_graph.loader.batch_nodes import BatchNodes, all_nodes, distinct_nodes
from mrdib_graph.loader.message_graph import MessageGraph
from mrdib_graph.loader.neighbor_loader import NeighborLoader, check_sampler
from mrdib_graph.loader.triplet_loader import TripletLoader, sampler

__all__ = [
    "BatchNodes",
    "MessageGraph",
    "NeighborLoader",
    "TripletLoader",
    "all_nodes",
    "check_sampler",
    "distinct_nodes",
    "sampler",
]
