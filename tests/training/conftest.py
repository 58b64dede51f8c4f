import signal
from collections.abc import Callable

import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph.backbones import LATTICE, VBPR, LightGCN
from mrdib_graph.controls import IDDropout, ModalityDropout, Noise
from mrdib_graph.loader import TripletLoader
from mrdib_graph.mrdib import FreeBits, MRdIB
from mrdib_graph.recommender import Recommender

BACKBONES = {"lightgcn": LightGCN, "vbpr": VBPR, "lattice": LATTICE}
CONTROLS = {"noise": Noise, "id_dropout": IDDropout, "modality_dropout": ModalityDropout}
MRDIB = {
    "gaussian": {"estimator": "gaussian", "alpha_redundancy": 0.01},
    "mine": {"estimator": "mine", "alpha_kl": 0.01, "alpha_redundancy": 0.01},
    "stochastic": {"estimator": "gaussian", "alpha_kl": 0.01, "kl_warmup_epochs": 3},
    "free_bits": {"alpha_kl": {"text": 0.01, "image": 0.02}, "free_bits": 2.0, "estimator": "mine"},
}
"""Arms in place of MRdIB's options; 'mine' and 'stochastic' draw noise in every step."""

Build = Callable[..., Recommender]


def build(
    data: HeteroData, backbone: str = "vbpr", arm: str = "bare", seed: int = 0
) -> Recommender:
    torch.manual_seed(seed)
    made = BACKBONES[backbone].from_data(data, embedding_dim=8)
    cls = FreeBits if arm == "free_bits" else MRdIB
    mrdib = cls(made.modalities, 8, **MRDIB[arm]) if arm in MRDIB else None
    control = CONTROLS[arm](made.modalities) if arm in CONTROLS else None
    return Recommender(made, mrdib, control=control, reg_fused=0.01)


@pytest.fixture
def make_recommender() -> Build:
    """Graph, backbone, arm and seed to a small recommender."""
    return build


class InterruptingLoader(TripletLoader):
    """Sends SIGINT to the process before the batches whose numbers it is given, over all epochs."""

    def __init__(self, data: HeteroData, steps: list[int], taken: list[int], **options) -> None:
        super().__init__(data, **options)
        self.at = steps
        self.taken = taken

    def epoch(self, skip=0):
        for batch in super().epoch(skip):
            self.taken.append(len(self.taken))
            if self.taken[-1] in self.at:
                signal.raise_signal(signal.SIGINT)
            yield batch


@pytest.fixture
def interrupting_loader() -> type[InterruptingLoader]:
    """A loader that presses Ctrl-C."""
    return InterruptingLoader
