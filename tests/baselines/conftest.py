from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

LASTFM = Path(__file__).resolve().parents[2] / "../shared/data/lastfm2k/lastfm2k.inter"


def build(edges: Tensor, label: Tensor, num_users: int, num_items: int) -> HeteroData:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = num_users, num_items
    store = data["user", "interacts", "item"]
    store.edge_index = edges
    for value, split in enumerate(("train", "val", "test")):
        store[f"{split}_mask"] = label == value
    return data


@pytest.fixture
def graph_and_matrix() -> Callable[[int], tuple[HeteroData, Tensor]]:
    """Seed to a random graph and its dense training matrix [U, I]; user 4, item 6 have no row.

    Item 11 lacks the one modality.
    """

    def make(seed: int) -> tuple[HeteroData, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        label = torch.randint(0, 8, (30, 12), generator=generator)
        label[label > 2] = -1
        label[4][label[4] == 0] = -1
        label[:, 6][label[:, 6] == 0] = 2
        edges = (label >= 0).nonzero().t().contiguous()
        data = build(edges, label[edges[0], edges[1]], 30, 12)
        data["text"].x = torch.randn(11, 5, generator=generator)
        data["text", "describes", "item"].edge_index = torch.arange(11).repeat(2, 1)
        return data, (label == 0).double()

    return make


@pytest.fixture(scope="session")
def lastfm2k() -> HeteroData:
    if not LASTFM.is_file():
        pytest.skip(f"{LASTFM} is absent")
    import pandas as pd

    frame = pd.read_csv(LASTFM, sep="\t")
    edges = torch.from_numpy(frame[["userID", "itemID"]].to_numpy().T.copy())
    label = torch.from_numpy(frame["x_label"].to_numpy().copy())
    return build(edges, label, int(edges[0].max()) + 1, int(edges[1].max()) + 1)
