"""Training batches."""

from mrdib_graph.loader.triplet_loader import TripletLoader

__all__ = ["TripletLoader"]
