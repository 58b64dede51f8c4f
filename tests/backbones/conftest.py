"""The two-by-two graph of the hand-computed cases."""

import pytest
import torch
from torch_geometric.data import HeteroData


@pytest.fixture
def two_by_two() -> HeteroData:
    """Users 0 and 1, items 0 and 1, training pairs (0, 0), (0, 1), (1, 1), two modalities."""
    data = HeteroData()
    data["user"].num_nodes = data["item"].num_nodes = 2
    store = data["user", "interacts", "item"]
    store.edge_index = torch.tensor([[0, 0, 1], [0, 1, 1]])
    store.train_mask = torch.ones(3, dtype=torch.bool)
    store.val_mask = store.test_mask = torch.zeros(3, dtype=torch.bool)
    for modality, x in (("image", [[1.0, 0.0], [1.0, 1.0]]), ("text", [[0.5], [-1.0]])):
        data[modality].x = torch.tensor(x)
        data[modality, "describes", "item"].edge_index = torch.arange(2).repeat(2, 1)
    return data
