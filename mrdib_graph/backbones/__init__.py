"""The recommenders that MRdIB is added to, one file each."""

from mrdib_graph.backbones.backbone import (
    CONTEXT,
    Backbone,
    Capabilities,
    Sizes,
    Step,
    capabilities,
    embedding,
    take_rows,
)
from mrdib_graph.backbones.bm3 import BM3
from mrdib_graph.backbones.dragon import DRAGON
from mrdib_graph.backbones.dualgnn import DualGNN
from mrdib_graph.backbones.freedom import FREEDOM
from mrdib_graph.backbones.grcn import GRCN
from mrdib_graph.backbones.lattice import LATTICE
from mrdib_graph.backbones.lgmrec import LGMRec
from mrdib_graph.backbones.lightgcn import LightGCN
from mrdib_graph.backbones.mentor import MENTOR
from mrdib_graph.backbones.mgcn import MGCN
from mrdib_graph.backbones.mmgcn import MMGCN
from mrdib_graph.backbones.slmrec import SLMRec
from mrdib_graph.backbones.smore import SMORE
from mrdib_graph.backbones.soil import SOIL
from mrdib_graph.backbones.vbpr import VBPR
from mrdib_graph.row_names import JOINT

__all__ = [
    "BM3",
    "CONTEXT",
    "DRAGON",
    "FREEDOM",
    "GRCN",
    "JOINT",
    "LATTICE",
    "MENTOR",
    "MGCN",
    "MMGCN",
    "SLMRec",
    "SMORE",
    "SOIL",
    "VBPR",
    "Backbone",
    "Capabilities",
    "DualGNN",
    "LGMRec",
    "LightGCN",
    "Sizes",
    "Step",
    "capabilities",
    "embedding",
    "take_rows",
]
