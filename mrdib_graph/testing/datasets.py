"""A public check for any data set that yields a graph of :mod:`mrdib_graph.graph`."""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.datasets.multimodal_dataset import MultimodalDataset


def check_dataset(dataset: MultimodalDataset, allow_inactive_users: bool = False) -> None:
    """Check what training and evaluation take for granted; works for data sets outside the library.

    The graph follows the schema; ids are dense; id lists match the rows; feature rows follow the
    items; the splits are disjoint and complete and training is not empty; loading again gives
    the same graph; the digest is stable and changes with interactions, split and features; each
    access returns a fresh shallow copy.

    Args:
        dataset: The data set.
        allow_inactive_users: Accept users without an interaction, which appear when held-out rows
            of users without training rows are dropped.

    Raises:
        AssertionError: One of these does not hold; the message says which.
        DataError: The graph does not follow the schema.
    """
    assert len(dataset) == 1, f"len(dataset) is {len(dataset)}, expected 1"
    data = dataset[0]
    graph.validate(data)
    _check_ids(dataset, data, allow_inactive_users)
    _check_features(data)
    _check_splits(data)
    _check_copies(dataset)
    _check_digest(dataset)


def _check_ids(dataset: MultimodalDataset, data: HeteroData, allow_inactive_users: bool) -> None:
    users, items = graph.num_users(data), graph.num_items(data)
    user, item = graph.interactions(data)
    used = [item] + [data[graph.describes(m)].edge_index[1] for m in graph.modalities(data)]
    idle = items - torch.unique(torch.cat(used)).numel()
    assert not idle, f"{idle} item ids have neither interaction nor feature; number items densely"
    idle = users - torch.unique(user).numel()
    assert not idle or allow_inactive_users, (
        f"{idle} user ids have no interaction; number users densely"
    )
    for name, size in (("user_ids", users), ("item_ids", items), ("item_names", items)):
        values = getattr(dataset, name)
        if values is None:
            continue
        assert len(values) == size, f"{name} has {len(values)} entries, expected {size}"
        assert all(isinstance(value, str) for value in values), f"{name}: every entry must be text"
        if name != "item_names":
            assert len(set(values)) == size, f"{name}: an id occurs twice"


def _check_features(data: HeteroData) -> None:
    for modality in graph.modalities(data):
        x, mask = graph.item_features(data, modality)
        assert x.dtype == torch.float32, f"features of '{modality}' are {x.dtype}, not float32"
        owner = dict(data[graph.describes(modality)].edge_index.flip(0).t().tolist())
        for item in range(0, x.size(0), max(1, x.size(0) // 100)):
            assert bool(mask[item]) == (item in owner), (
                f"item {item}: mask and describes edge of '{modality}' disagree"
            )
            if item in owner:
                same = torch.equal(x[item], data[modality].x[owner[item]])
                assert same, f"item {item} does not get its own feature row of '{modality}'"


def _check_splits(data: HeteroData) -> None:
    pairs, store = {}, data[graph.INTERACTS]
    for split in graph.SPLITS:
        assert f"{split}_mask" in store, f"the graph has no {split}_mask; split the interactions"
        edges = store.edge_index[:, store[f"{split}_mask"]]
        pairs[split] = set(map(tuple, edges.t().tolist()))
    assert pairs["train"], "the training split is empty"
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        shared = pairs[one] & pairs[other]
        assert not shared, f"{len(shared)} pairs are in {one} and {other}"
    missing = graph.interactions(data).size(1) - sum(map(len, pairs.values()))
    assert not missing, f"{missing} interactions are in no split"


def _check_copies(dataset: MultimodalDataset) -> None:
    first, second = dataset[0], dataset[0]
    assert first is not second, "dataset[0] returns the same object twice; return a shallow copy"
    edges = first[graph.INTERACTS].edge_index
    assert edges.data_ptr() == second[graph.INTERACTS].edge_index.data_ptr(), (
        "dataset[0] copies tensors; a shallow copy shares them"
    )
    first[graph.INTERACTS].edge_index = edges[:, :1]
    first.changed = True
    third = dataset[0]
    same = torch.equal(third[graph.INTERACTS].edge_index, edges) and "changed" not in third
    assert same, "a change of dataset[0] shows up in the next access"


def _check_digest(dataset: MultimodalDataset) -> None:
    digest = dataset.digest
    assert digest == dataset.digest, "the digest differs between two calls"
    again = _with_graph(dataset, dataset.load())
    assert digest == again.digest, "loading again gives another graph: seed every draw"
    for what, data in _changed(dataset[0]).items():
        assert _with_graph(dataset, data).digest != digest, f"the digest ignores the {what}"


def _with_graph(dataset: MultimodalDataset, data: HeteroData) -> MultimodalDataset:
    other = copy.copy(dataset)
    other._data = data
    return other


def _changed(data: HeteroData) -> dict[str, HeteroData]:
    """Copies of a graph that differ in one place each."""
    out = {name: copy.copy(data) for name in ("interactions", "split")}
    store = data[graph.INTERACTS]
    for name in ("train_mask", "val_mask", "test_mask"):
        out["interactions"][graph.INTERACTS][name] = store[name][:-1]
    out["interactions"][graph.INTERACTS].edge_index = store.edge_index[:, :-1]
    if "time" in store:
        out["interactions"][graph.INTERACTS].time = store.time[:-1]
    train, test = store.train_mask.clone(), store.test_mask.clone()
    row = int(train.nonzero()[0])
    train[row], test[row] = False, True
    out["split"][graph.INTERACTS].train_mask = train
    out["split"][graph.INTERACTS].test_mask = test
    for modality in graph.modalities(data):
        changed = copy.copy(data)
        changed[modality].x = _nudged(data[modality].x)
        out[f"features of '{modality}'"] = changed
    return out


def _nudged(x: Tensor) -> Tensor:
    x = x.clone()
    x[-1, -1] += 1.0
    return x
