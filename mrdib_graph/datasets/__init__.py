"""Data sets: raw files, or a generator with known truth, to one ``HeteroData``."""

from mrdib_graph.datasets.lastfm2k import LastFM2K
from mrdib_graph.datasets.mmrec_folder import MMRecFolder
from mrdib_graph.datasets.multimodal_dataset import MultimodalDataset
from mrdib_graph.datasets.planted import Planted

__all__ = ["LastFM2K", "MMRecFolder", "MultimodalDataset", "Planted"]
