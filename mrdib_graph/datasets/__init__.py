"""Data sets: raw files, or a generator with known truth, to one ``HeteroData``."""

from mrdib_graph.datasets.multimodal_dataset import MultimodalDataset

__all__ = ["MultimodalDataset"]
