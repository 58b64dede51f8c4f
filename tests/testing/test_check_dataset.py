import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.datasets import MultimodalDataset
from mrdib_graph.errors import DataError
from mrdib_graph.testing import check_dataset
from mrdib_graph.transforms import SplitInteractions


class Good(MultimodalDataset):
    """Eight users with five of ten items each, and a modality that two items lack."""

    name = "good"

    def load(self):
        generator = torch.Generator().manual_seed(0)
        data = HeteroData()
        data["user"].num_nodes, data["item"].num_nodes = 8, 10
        item = torch.cat([torch.randperm(10, generator=generator)[:5] for _ in range(8)])
        user = torch.arange(8).repeat_interleave(5)
        data[graph.INTERACTS].edge_index = torch.stack([user, item])
        data["text"].x = torch.randn(8, 3, generator=generator)
        owner = torch.stack([torch.arange(8), torch.arange(8) + 2])
        data[graph.describes("text")].edge_index = owner
        return SplitInteractions("random")(data)

    @property
    def item_ids(self):
        return [f"raw{i}" for i in range(10)]


def test_a_good_dataset_passes():
    check_dataset(Good())


class SameObject(Good):
    def __getitem__(self, index):
        super().__getitem__(index)
        return self._data


class DeepCopies(Good):
    def __getitem__(self, index):
        return super().__getitem__(index).clone()


class SharedStores(Good):
    def __getitem__(self, index):
        super().__getitem__(index)
        out = HeteroData()
        for key, value in self._data.__dict__.items():
            out.__dict__[key] = value
        return out


class Unseeded(Good):
    def load(self):
        data = super().load()
        data["text"].x = torch.rand(8, 3)
        return data


class BlindDigest(Good):
    @property
    def digest(self):
        return "0" * 64


class DigestOfEdges(Good):
    @property
    def digest(self):
        return str(self[0][graph.INTERACTS].edge_index.tolist())


class DigestWithoutFeatures(Good):
    @property
    def digest(self):
        store = self[0][graph.INTERACTS]
        return str(store.edge_index.tolist()) + str(store.test_mask.tolist())


class RandomDigest(Good):
    @property
    def digest(self):
        return str(torch.rand(1).item())


class Altered(Good):
    """A good graph with one thing changed."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def load(self):
        data = super().load()
        self.change(data)
        return data


class Ids(Good):
    def __init__(self, ids):
        super().__init__()
        self.ids = ids

    @property
    def user_ids(self):
        return self.ids


def more_users(data):
    data["user"].num_nodes = 9


def more_items(data):
    data["item"].num_nodes = 11


def double_precision(data):
    data["text"].x = data["text"].x.double()


def no_split(data):
    for split in graph.SPLITS:
        del data[graph.INTERACTS][f"{split}_mask"]


def overlap(data):
    data[graph.INTERACTS].val_mask = data[graph.INTERACTS].test_mask.clone()


def empty_train(data):
    store = data[graph.INTERACTS]
    store.test_mask = store.test_mask | store.train_mask
    store.train_mask = torch.zeros_like(store.train_mask)


def wrong_alignment(data):
    graph.align_features(data, "text")
    data["item"].x_text = data["item"].x_text.roll(1, 0)


@pytest.mark.parametrize(
    "dataset, message",
    [
        (SameObject(), "same object"),
        (DeepCopies(), "copies tensors"),
        (SharedStores(), "shows up in the next access"),
        (Unseeded(), "seed every draw"),
        (BlindDigest(), "digest ignores the interactions"),
        (DigestOfEdges(), "digest ignores the split"),
        (DigestWithoutFeatures(), "digest ignores the features of 'text'"),
        (RandomDigest(), "digest differs between two calls"),
        (Altered(more_users), "1 user ids have no interaction"),
        (Altered(more_items), "1 item ids have neither"),
        (Altered(double_precision), "float64, not float32"),
        (Altered(no_split), "no train_mask"),
        (Altered(overlap), "in two splits"),
        (Altered(empty_train), "training split is empty"),
        (Altered(wrong_alignment), "does not get its own feature row"),
        (Ids(["a"]), "user_ids has 1 entries, expected 8"),
        (Ids(["a"] * 8), "an id occurs twice"),
        (Ids(list(range(8))), "must be text"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_broken_dataset_is_named(dataset, message):
    with pytest.raises((AssertionError, DataError), match=message):
        check_dataset(dataset)


def test_inactive_users_on_request():
    check_dataset(Altered(more_users), allow_inactive_users=True)
