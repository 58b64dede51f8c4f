"""Cheap controls that stand where MRdIB stands, so that a gain is a gain over them."""

from mrdib_graph.controls.content_loss import ContentLoss
from mrdib_graph.controls.control import Control
from mrdib_graph.controls.dropout import IDDropout, ModalityDropout
from mrdib_graph.controls.no_content import NoContent
from mrdib_graph.controls.noise import Noise
from mrdib_graph.controls.split_l2 import SplitL2

__all__ = [
    "ContentLoss",
    "Control",
    "IDDropout",
    "ModalityDropout",
    "NoContent",
    "Noise",
    "SplitL2",
]
