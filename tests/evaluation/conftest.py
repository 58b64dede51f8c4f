from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

LASTFM = Path(__file__).resolve().parents[2] / "../shared/data/lastfm2k/lastfm2k.inter"
GraphOf = Callable[..., HeteroData]


def build(edges: Tensor, label: Tensor, num_users: int, num_items: int) -> HeteroData:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = num_users, num_items
    store = data["user", "interacts", "item"]
    store.edge_index = edges
    for value, split in enumerate(("train", "val", "test")):
        store[f"{split}_mask"] = label == value
    return data


@pytest.fixture
def graph_of() -> GraphOf:
    """Edges [2, E], labels [E] (0 train, 1 validation, 2 test), users and items to a graph."""
    return build


@pytest.fixture
def random_graph() -> GraphOf:
    def make(seed: int, num_users: int = 20, num_items: int = 30, share: float = 0.3) -> HeteroData:
        generator = torch.Generator().manual_seed(seed)
        dense = torch.rand(num_users, num_items, generator=generator) < share
        dense[0, :3] = True
        edges = dense.nonzero().t().contiguous()
        label = torch.randint(0, 3, (edges.size(1),), generator=generator)
        label[:3] = torch.arange(3)
        keep = torch.ones_like(label, dtype=torch.bool)
        train_users = torch.unique(edges[0, label == 0])
        keep = torch.isin(edges[0], train_users)
        return build(edges[:, keep], label[keep], num_users, num_items)

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
