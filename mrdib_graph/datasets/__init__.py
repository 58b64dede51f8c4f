"""Data sets: raw files, or a generator with known truth, to one ``HeteroData``."""

from mrdib_graph.datasets.amazon.amazon_2014 import (
    AmazonBaby,
    AmazonClothing,
    AmazonElectronics,
    AmazonSports,
)
from mrdib_graph.datasets.amazon.amazon_build import AmazonBuild
from mrdib_graph.datasets.amazon.amazon_reviews import AmazonReviews
from mrdib_graph.datasets.conversion.converters import convert
from mrdib_graph.datasets.conversion.recbole_example import recbole_example
from mrdib_graph.datasets.description import describe_graph
from mrdib_graph.datasets.files.fetch_options import FetchOptions
from mrdib_graph.datasets.folder.folder_check import check_folder
from mrdib_graph.datasets.folder.mmrec_folder import MMRecFolder
from mrdib_graph.datasets.lastfm2k import LastFM2K
from mrdib_graph.datasets.multimodal_dataset import MultimodalDataset
from mrdib_graph.datasets.planted.planted import Planted

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
