"""The ``HeteroData`` schema: users, items and modality features as nodes of one graph.

The only module that knows attribute names.  Everything else reads a graph through these views, so
any ``HeteroData`` that follows the table works, wherever it came from:

================================================ ========= ======================================
attribute                                        shape     meaning
================================================ ========= ======================================
``data['user'].num_nodes``, same of ``'item'``   int       number of users and items
``data[m].x``                                    [n_m,d_m] the feature nodes of modality ``m``
``data[m, 'describes', 'item'].edge_index``      [2, n]    which feature node describes which
                                                           item; an item without one lacks ``m``
``data['user', 'interacts', 'item'].edge_index`` [2, E]    every interaction
``... .time``, where the source has it           [E]       when each took place, int64 or float,
                                                           in the source's unit and finite
``... .train_mask``, ``.val_mask``,              [E] bool  a partition; message passing reads
``.test_mask``                                             training edges only
``data['item', 'similar_<m>', 'item']``          [2, I k]  a kNN item graph per modality
================================================ ========= ======================================

Derived sparse operators live beside the edges that they were made from, see
:func:`set_operator` and :func:`operator`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.sparse import SparseMatrix

USER, ITEM = "user", "item"
INTERACTS = (USER, "interacts", ITEM)
SPLITS = ("train", "val", "test")
Split = Literal["train", "val", "test"]


def num_users(data: HeteroData) -> int:
    """U, the number of users."""
    return int(data[USER].num_nodes)


def num_items(data: HeteroData) -> int:
    """I, the number of items."""
    return int(data[ITEM].num_nodes)


def describes(modality: str) -> tuple[str, str, str]:
    """The relation from a modality's feature nodes to items."""
    return (modality, "describes", ITEM)


def similar(modality: str) -> tuple[str, str, str]:
    """The relation of a modality's kNN item graph."""
    return (ITEM, f"similar_{modality}", ITEM)


def modalities(data: HeteroData) -> list[str]:
    """Names of the modalities: node types with a ``describes`` relation, in the graph's order."""
    found = {src for src, rel, _ in data.edge_types if rel == "describes"}
    return [name for name in data.node_types if name in found]


def interactions(data: HeteroData, split: Split | None = None) -> Tensor:
    """User and item of each interaction of a split [2, E_split]; all of them for None."""
    store = data[INTERACTS]
    edge_index: Tensor = store.edge_index
    if split is None:
        return edge_index
    if split not in SPLITS:
        raise DataError(f"split: got {split!r}, expected one of {', '.join(SPLITS)}")
    mask = store.get(f"{split}_mask")
    if mask is None:
        raise DataError(
            f"the graph's interactions have no '{split}_mask': split them first, for example "
            "with mrdib_graph.transforms.SplitInteractions"
        )
    return edge_index[:, mask]


def new_graph(
    num_users: int,
    num_items: int,
    edge_index: Tensor,
    label: Tensor | None = None,
    time: Tensor | None = None,
) -> HeteroData:
    """A graph of interactions [2, E], with split and times [E] where these are given."""
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = num_users, num_items
    data[INTERACTS].edge_index = edge_index
    if time is not None:
        data[INTERACTS].time = time
    if label is not None:
        set_split(data, label)
    return data


def set_split(data: HeteroData, label: Tensor) -> None:
    """Write the split masks from labels [E]: 0 train, 1 validation, 2 test."""
    for value, split in enumerate(SPLITS):
        data[INTERACTS][f"{split}_mask"] = label == value


def split_labels(data: HeteroData) -> Tensor:
    """Labels [E] of the split: 0 train, 1 validation, 2 test.

    Raises:
        DataError: The interactions are not split.
    """
    interactions(data, "train")  # raises
    store = data[INTERACTS]
    label: Tensor = store.val_mask.long() + 2 * store.test_mask.long()
    return label


def train_history(data: HeteroData) -> SparseMatrix:
    """R [U, I]: 1 for each training interaction."""
    user, item = interactions(data, "train")
    matrix = SparseMatrix.from_edges(user, item, None, (num_users(data), num_items(data)))
    return matrix.with_values(torch.ones_like(matrix.value))


def add_modality(data: HeteroData, modality: str, x: Tensor, item: Tensor | None = None) -> None:
    """Feature nodes ``x`` [n, d_m], of which node i describes ``item[i]``, or item i for None."""
    node = torch.arange(x.size(0), device=None if item is None else item.device)
    data[modality].x = x
    data[describes(modality)].edge_index = torch.stack([node, node if item is None else item])


def item_features(data: HeteroData, modality: str) -> tuple[Tensor, Tensor]:
    """Feature row of each item and whether the item has one.

    Returns:
        ``x`` [I, d_m], zeros where the modality is missing, and ``mask`` [I] bool.

    Raises:
        DataError: The graph has no such modality.
    """
    if modality not in modalities(data):
        raise DataError(
            f"modality {modality!r} is not in the graph: it has {', '.join(modalities(data))}"
        )
    aligned = data[ITEM].get(f"x_{modality}")
    if aligned is not None:
        return aligned, data[ITEM][f"has_{modality}"]
    x = data[modality].x
    node, item = data[describes(modality)].edge_index
    mask = torch.zeros(num_items(data), dtype=torch.bool, device=item.device)
    mask[item] = True
    arange = torch.arange(num_items(data), device=item.device)
    if x.size(0) == item.numel() == arange.numel() and bool((node == item).all() & mask.all()):
        return x, mask  # row i is item i: no copy, so memory-mapped features stay on disk
    out = x.new_zeros(num_items(data), x.size(1))
    out[item] = x[node]
    return out, mask


def align_features(data: HeteroData, modality: str) -> None:
    """Keep the result of :func:`item_features` on the item store, so it is gathered only once."""
    x, mask = item_features(data, modality)
    data[ITEM][f"x_{modality}"] = x
    data[ITEM][f"has_{modality}"] = mask
    data[ITEM][f"complete_{modality}"] = bool(mask.all())


def item_masks(data: HeteroData, names: Iterable[str]) -> dict[str, Tensor]:
    """Which items have a modality [I] bool, for those modalities that some item lacks."""
    masks = {}
    for modality in names:
        complete = data[ITEM].get(f"complete_{modality}")
        if complete is None or not complete:
            mask = item_features(data, modality)[1]
            if not bool(mask.all()):
                masks[modality] = mask
    return masks


def set_operator(data: HeteroData, name: str, matrix: SparseMatrix) -> None:
    """Keep a derived sparse operator with the graph; ``data.to(device)`` moves it along."""
    data[f"operator_{name}"] = matrix


def has_operator(data: HeteroData, name: str) -> bool:
    """Whether :func:`set_operator` was called with this name."""
    return getattr(data, f"operator_{name}", None) is not None  # 'in' would list every key


def operator(data: HeteroData, name: str) -> SparseMatrix:
    """A derived sparse operator by name.

    Raises:
        DataError: It was not built yet.
    """
    if not has_operator(data, name):
        raise DataError(
            f"the graph has no operator '{name}': call  data = backbone.prepare(data)  or apply "
            "the transform that makes it"
        )
    matrix = data[f"operator_{name}"]
    assert isinstance(matrix, SparseMatrix)
    return matrix


def user_item_graph(data: HeteroData, norm: str = "sym") -> SparseMatrix:
    """The normalised user-item graph [U + I, U + I], users first, training edges only."""
    return operator(data, f"user_item_{norm}")


def user_history(data: HeteroData, norm: str = "mean") -> SparseMatrix:
    """What gathers a user's training items [U, I], of a norm of :class:`UserHistoryGraph`."""
    return operator(data, f"user_history_{norm}")


def item_graph(data: HeteroData, modality: str, kind: str = "cos_sym") -> SparseMatrix:
    """The kNN item graph of a modality [I, I], of a kind of :class:`ItemKNNGraph`."""
    return operator(data, f"item_{modality}_{kind}")


def describe(data: HeteroData) -> dict[str, int | float | dict[str, int]]:
    """Counts of a graph: users, items, interactions per split, density, feature widths."""
    edges = data[INTERACTS].edge_index.size(1)
    counts: dict[str, int | float | dict[str, int]] = {
        "users": num_users(data),
        "items": num_items(data),
        "interactions": edges,
        "density": edges / (num_users(data) * num_items(data)),
        "modalities": {m: int(data[m].x.size(1)) for m in modalities(data)},
    }
    for split in SPLITS:
        if f"{split}_mask" in data[INTERACTS]:
            counts[split] = int(data[INTERACTS][f"{split}_mask"].sum())
    return counts


def validate(data: HeteroData) -> None:
    """Check a graph against the schema and name what is wrong.

    Raises:
        DataError: A part is missing, has the wrong shape or type, refers to a node that does not
            exist, holds a value that is not finite, repeats an interaction, times do not match
            the interactions, or the split masks overlap or leave an interaction out.
    """
    for node in (USER, ITEM):
        if node not in data.node_types or not data[node].num_nodes:
            raise DataError(
                f"graph: node type '{node}' is missing or empty; set data['{node}'].num_nodes"
            )
    if INTERACTS not in data.edge_types:
        raise DataError("graph: the relation ('user', 'interacts', 'item') is missing")
    store = data[INTERACTS]
    _check_edges(store.get("edge_index"), num_users(data), num_items(data), "interacts")
    edges = store.edge_index
    if edges.size(1) == 0:
        raise DataError("graph: there is no interaction; a recommender needs at least one")
    key = edges[0] * num_items(data) + edges[1]
    repeated = key.numel() - torch.unique(key).numel()
    if repeated:
        raise DataError(f"graph: {repeated} interactions are repeated; keep each (user, item) once")
    check_time(data)
    _check_masks(data)
    for modality in modalities(data):
        _check_modality(data, modality)


def _check_edges(edge_index: Tensor | None, rows: int, cols: int, name: str) -> None:
    if edge_index is None or edge_index.dim() != 2 or edge_index.size(0) != 2:
        shape = None if edge_index is None else tuple(edge_index.shape)
        raise DataError(f"graph: edge_index of '{name}' has shape {shape}, expected [2, E]")
    if edge_index.dtype != torch.int64:
        raise DataError(f"graph: edge_index of '{name}' is {edge_index.dtype}, expected int64")
    for side, (index, size) in enumerate(zip(edge_index, (rows, cols), strict=True)):
        if index.numel() and (int(index.min()) < 0 or int(index.max()) >= size):
            raise DataError(
                f"graph: row {side} of edge_index of '{name}' holds {int(index.min())} to "
                f"{int(index.max())}, expected 0 to {size - 1}"
            )


def check_time(data: HeteroData) -> None:
    """Check the times of the interactions, where the graph has them.

    Raises:
        DataError: They are not one finite number an interaction.
    """
    store = data[INTERACTS]
    if (time := store.get("time")) is None:
        return
    number = time.dtype == torch.int64 or time.dtype.is_floating_point
    if time.shape != store.edge_index.shape[1:] or not number:
        raise DataError(
            f"graph: time is {time.dtype} of shape {list(time.shape)}, expected int64 or float of "
            f"shape [{store.edge_index.size(1)}]"
        )
    for row in (~torch.isfinite(time)).nonzero()[:1].flatten().tolist():
        raise DataError(f"graph: the time of interaction {row} is {float(time[row])}")


def _check_masks(data: HeteroData) -> None:
    store = data[INTERACTS]
    present = [split for split in SPLITS if f"{split}_mask" in store]
    if not present:
        return
    missing = set(SPLITS) - set(present)
    if missing:
        raise DataError(f"graph: split masks missing: {', '.join(sorted(missing))}")
    masks = [store[f"{split}_mask"] for split in SPLITS]
    for split, mask in zip(SPLITS, masks, strict=True):
        if mask.dtype != torch.bool or mask.numel() != store.edge_index.size(1):
            raise DataError(
                f"graph: {split}_mask is {mask.dtype} of {mask.numel()}, expected bool of "
                f"{store.edge_index.size(1)}"
            )
    total = torch.stack(masks).sum(0)
    if not bool((total == 1).all()):
        raise DataError(
            f"graph: {int((total > 1).sum())} interactions are in two splits and "
            f"{int((total == 0).sum())} in none; the masks must be a partition"
        )
    if not bool(masks[0].any()):
        raise DataError("graph: the training split is empty")


def _check_modality(data: HeteroData, modality: str) -> None:
    x = data[modality].get("x")
    if x is None or x.dim() != 2 or 0 in x.shape:
        shape = None if x is None else tuple(x.shape)
        raise DataError(f"graph: features of '{modality}' have shape {shape}, expected [n, d]")
    if not x.dtype.is_floating_point:
        raise DataError(f"graph: features of '{modality}' are {x.dtype}, expected float32")
    edge_index = data[describes(modality)].get("edge_index")
    _check_edges(edge_index, x.size(0), num_items(data), f"{modality} describes item")
    assert edge_index is not None
    items = edge_index[1]
    if torch.unique(items).numel() < items.numel():
        raise DataError(f"graph: an item has two feature nodes of modality '{modality}'")
    rows = 1 + 2**22 // x.size(1)  # in blocks: a mask of the whole may not fit in memory
    bad = torch.tensor([int((~torch.isfinite(block)).sum()) for block in x.split(rows)])
    if bool(bad.any()):
        start = rows * int(bad.nonzero()[0])
        row, column = (~torch.isfinite(x[start : start + rows])).nonzero()[0].tolist()
        raise DataError(
            f"graph: {int(bad.sum())} values of modality '{modality}' are NaN or infinite, the "
            f"first at row {start + row}, column {column}"
        )


def check_rows(name: str, rows: Tensor, size: int) -> None:
    """Refuse what is no list of row numbers of a table.

    Args:
        name: Of the argument, for the message.
        rows: Should be [n] int64, each from 0 to ``size - 1``.
        size: Rows of the table.

    Raises:
        ConfigError: It is another type or shape, or a row is out of range.
    """
    if rows.dim() != 1 or rows.dtype != torch.int64:
        raise ConfigError(f"{name}: got {rows.dtype} {tuple(rows.shape)}, expected int64 [n]")
    low, high = (int(x) for x in rows.aminmax()) if rows.numel() else (0, 0)
    if rows.numel() and not 0 <= low <= high < size:
        raise ConfigError(f"{name}: got rows {low} to {high}, expected 0 to {size - 1}")
