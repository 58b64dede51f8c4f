import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import DataError
from mrdib_graph.transforms import SplitInteractions, split_leaks


def make(seed=0, users=200, num_items=60):
    generator = torch.Generator().manual_seed(seed)
    pairs = []
    for u in range(users):
        n = int(torch.randint(5, 15, (1,), generator=generator))
        pairs += [(u, int(i)) for i in torch.randperm(num_items, generator=generator)[:n]]
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = users, num_items
    data[graph.INTERACTS].edge_index = torch.tensor(pairs).t()
    return data


def shuffle_all_users_alike(data, rank):
    """Python loop: each user's items sorted by ``rank``, shuffled with one seed, then 8 : 1 : 1."""
    user, item = data[graph.INTERACTS].edge_index.tolist()
    label = torch.zeros(len(user), dtype=torch.long)
    for u in set(user):
        rows = sorted((r for r in range(len(user)) if user[r] == u), key=lambda r: rank[item[r]])
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(42)).tolist()
        for place, at in enumerate(order):
            fraction = (place + 1) / len(rows)
            label[rows[at]] = 0 if fraction <= 0.8 else 1 if fraction <= 0.9 else 2
    for value, split in enumerate(graph.SPLITS):
        data[graph.INTERACTS][f"{split}_mask"] = label == value
    return data


def test_one_shuffle_for_all_users_is_a_leak():
    assert split_leaks(shuffle_all_users_alike(make(), list(range(60))))


def test_a_leak_along_raw_ids_needs_raw_ids():
    raw = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    data = shuffle_all_users_alike(make(), raw.tolist())
    assert not split_leaks(data)
    data["item"].raw_id = raw
    assert split_leaks(data)


@pytest.mark.parametrize("rule", ["random", "lattice", "ratio"])
def test_random_splits_do_not_leak(rule):
    assert not split_leaks(SplitInteractions(rule)(make()))


def test_a_set_too_small_to_tell_is_not_called_a_leak():
    data = make(users=2)
    assert not split_leaks(SplitInteractions("random")(data))
    edges = data[graph.INTERACTS].edge_index
    for split in graph.SPLITS:  # all rows train: a function of anything, and nothing leaks
        data[graph.INTERACTS][f"{split}_mask"] = torch.full_like(edges[0], split == "train") > 0
    assert not split_leaks(data)


def test_a_split_is_needed():
    with pytest.raises(DataError, match="train_mask"):
        split_leaks(make())
