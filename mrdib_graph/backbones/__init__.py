"""The recommenders that MRdIB is added to, one file each."""

from mrdib_graph.backbones.backbone import (
    CONTEXT,
    Backbone,
    Step,
    embedding,
    take_rows,
)
from mrdib_graph.backbones.lattice import LATTICE
from mrdib_graph.backbones.lightgcn import LightGCN
from mrdib_graph.backbones.mgcn import MGCN
from mrdib_graph.backbones.smore import SMORE
from mrdib_graph.backbones.vbpr import VBPR

__all__ = [
    "CONTEXT",
    "LATTICE",
    "MGCN",
    "SMORE",
    "VBPR",
    "Backbone",
    "LightGCN",
    "Step",
    "embedding",
    "take_rows",
]
