"""Data sets: raw files, or a generator with known truth, to one ``HeteroData``."""

from mrdib_graph.datasets.amazon_2014 import (
    AmazonBaby,
    AmazonClothing,
    AmazonElectronics,
    AmazonSports,
)
from mrdib_graph.datasets.amazon_build import AmazonBuild
from mrdib_graph.datasets.amazon_reviews import AmazonReviews
from mrdib_graph.datasets.converters import convert
from mrdib_graph.datasets.description import describe_graph
from mrdib_graph.datasets.fetch_options import FetchOptions
from mrdib_graph.datasets.folder_check import check_folder
from mrdib_graph.datasets.lastfm2k import LastFM2K
from mrdib_graph.datasets.mmrec_folder import MMRecFolder
from mrdib_graph.datasets.multimodal_dataset import MultimodalDataset
from mrdib_graph.datasets.planted import Planted
from mrdib_graph.datasets.recbole_example import recbole_example

__all__ = [
    "AmazonBaby",
    "AmazonBuild",
    "AmazonClothing",
    "AmazonElectronics",
    "AmazonReviews",
    "AmazonSports",
    "check_folder",
    "convert",
    "describe_graph",
    "FetchOptions",
    "LastFM2K",
    "MMRecFolder",
    "MultimodalDataset",
    "Planted",
    "recbole_example",
]
