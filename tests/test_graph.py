"""The views of the graph schema, and every error of ``validate``."""

from collections.abc import Callable

import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.sparse import SparseMatrix
from mrdib_graph.testing import tiny_data


def small() -> HeteroData:
    """2 users, 3 items; item 2 lacks text, items 0 and 1 share an image node."""
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 2, 3
    store = data["user", "interacts", "item"]
    store.edge_index = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 2]])
    store.train_mask = torch.tensor([True, True, False, False])
    store.val_mask = torch.tensor([False, False, True, False])
    store.test_mask = torch.tensor([False, False, False, True])
    data["image"].x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    data["image", "describes", "item"].edge_index = torch.tensor([[1, 0, 0], [2, 0, 1]])
    data["text"].x = torch.tensor([[5.0], [6.0]])
    data["text", "describes", "item"].edge_index = torch.tensor([[0, 1], [1, 0]])
    return data


def test_sizes_and_names() -> None:
    data = small()
    assert (graph.num_users(data), graph.num_items(data)) == (2, 3)
    assert graph.modalities(data) == ["image", "text"]
    assert graph.describes("image") == ("image", "describes", "item")
    assert graph.similar("image") == ("item", "similar_image", "item")


def test_a_node_type_without_describes_is_no_modality() -> None:
    data = small()
    data["brand"].x = torch.ones(4, 2)
    assert graph.modalities(data) == ["image", "text"]


def test_interactions_of_a_split() -> None:
    data = small()
    assert graph.interactions(data, "train").tolist() == [[0, 0], [0, 1]]
    assert graph.interactions(data, "val").tolist() == [[1], [1]]
    assert graph.interactions(data, "test").tolist() == [[1], [2]]
    assert graph.interactions(data).size(1) == 4


def test_interactions_without_a_split_say_what_to_do() -> None:
    data = small()
    del data["user", "interacts", "item"].val_mask
    with pytest.raises(DataError, match="no 'val_mask'.*SplitInteractions"):
        graph.interactions(data, "val")
    with pytest.raises(DataError, match="split: got 'validation', expected one of train, val"):
        graph.interactions(data, "validation")  # type: ignore[arg-type]


def test_item_features_follow_the_items() -> None:
    data = small()
    x, mask = graph.item_features(data, "image")
    assert x.tolist() == [[1, 2], [1, 2], [3, 4]] and mask.tolist() == [True] * 3
    x, mask = graph.item_features(data, "text")
    assert x.tolist() == [[6], [5], [0]] and mask.tolist() == [True, True, False]


def test_item_features_in_item_order_are_not_copied() -> None:
    data = small()
    data["audio"].x = torch.randn(3, 4)
    data["audio", "describes", "item"].edge_index = torch.arange(3).repeat(2, 1)
    assert graph.item_features(data, "audio")[0] is data["audio"].x


def test_item_features_of_an_unknown_modality() -> None:
    with pytest.raises(DataError, match="'audio' is not in the graph: it has image, text"):
        graph.item_features(small(), "audio")


def test_aligned_features_are_gathered_once() -> None:
    data = small()
    before = graph.item_features(data, "text")
    graph.align_features(data, "text")
    x, mask = graph.item_features(data, "text")
    assert torch.equal(x, before[0]) and torch.equal(mask, before[1])
    assert graph.item_features(data, "text")[0] is x


@pytest.mark.parametrize("aligned", [False, True])
def test_item_masks_leave_complete_modalities_out(aligned: bool) -> None:
    data = small()
    if aligned:
        for modality in graph.modalities(data):
            graph.align_features(data, modality)
    masks = graph.item_masks(data, ["image", "text"])
    assert list(masks) == ["text"] and masks["text"].tolist() == [True, True, False]


def test_operators() -> None:
    data = small()
    matrix = SparseMatrix.from_edges(torch.tensor([0]), torch.tensor([1]), None, (5, 5))
    assert not graph.has_operator(data, "user_item_sym")
    with pytest.raises(DataError, match="no operator 'user_item_sym'.*backbone.prepare"):
        graph.user_item_graph(data)
    graph.set_operator(data, "user_item_sym", matrix)
    graph.set_operator(data, "item_text_bin_sym", matrix)
    assert graph.has_operator(data, "user_item_sym")
    assert graph.user_item_graph(data) is matrix is graph.operator(data, "user_item_sym")
    assert graph.item_graph(data, "text", "bin_sym") is matrix


def test_describe_counts() -> None:
    assert graph.describe(small()) == {
        "users": 2,
        "items": 3,
        "interactions": 4,
        "density": 4 / 6,
        "modalities": {"image": 2, "text": 1},
        "train": 2,
        "val": 1,
        "test": 1,
    }


def test_valid_graphs_pass() -> None:
    graph.validate(small())
    graph.validate(tiny_data())
    unsplit = small()
    for split in graph.SPLITS:
        del unsplit["user", "interacts", "item"][f"{split}_mask"]
    graph.validate(unsplit)


def _interacts(data: HeteroData):
    return data["user", "interacts", "item"]


def no_users(data: HeteroData) -> None:
    data["user"].num_nodes = 0


def no_relation(data: HeteroData) -> None:
    del data["user", "interacts", "item"]


def no_edges(data: HeteroData) -> None:
    _interacts(data).edge_index = torch.empty(2, 0, dtype=torch.int64)


def no_edge_index(data: HeteroData) -> None:
    del _interacts(data).edge_index


def transposed(data: HeteroData) -> None:
    _interacts(data).edge_index = _interacts(data).edge_index.T


def float_edges(data: HeteroData) -> None:
    _interacts(data).edge_index = _interacts(data).edge_index.float()


def item_too_large(data: HeteroData) -> None:
    _interacts(data).edge_index = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 3]])


def negative_user(data: HeteroData) -> None:
    _interacts(data).edge_index = torch.tensor([[-1, 0, 1, 1], [0, 1, 1, 2]])


def repeated(data: HeteroData) -> None:
    _interacts(data).edge_index = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 2]])


def mask_missing(data: HeteroData) -> None:
    del _interacts(data).test_mask


def mask_short(data: HeteroData) -> None:
    _interacts(data).val_mask = torch.tensor([True])


def mask_of_numbers(data: HeteroData) -> None:
    _interacts(data).val_mask = torch.tensor([0, 0, 1, 0])


def two_splits(data: HeteroData) -> None:
    _interacts(data).val_mask = torch.tensor([True, False, True, False])


def in_no_split(data: HeteroData) -> None:
    _interacts(data).val_mask = torch.tensor([False] * 4)


def empty_training(data: HeteroData) -> None:
    _interacts(data).val_mask = torch.tensor([True, True, True, False])
    _interacts(data).train_mask = torch.tensor([False] * 4)


def no_features(data: HeteroData) -> None:
    del data["image"].x


def flat_features(data: HeteroData) -> None:
    data["image"].x = torch.ones(2)


def integer_features(data: HeteroData) -> None:
    data["image"].x = torch.ones(2, 2, dtype=torch.int64)


def node_too_large(data: HeteroData) -> None:
    data["text", "describes", "item"].edge_index = torch.tensor([[0, 2], [1, 0]])


def two_nodes_for_an_item(data: HeteroData) -> None:
    data["text", "describes", "item"].edge_index = torch.tensor([[0, 1], [1, 1]])


def nan_feature(data: HeteroData) -> None:
    data["image"].x = torch.tensor([[1.0, 2.0], [3.0, float("nan")]])


def short_time(data: HeteroData) -> None:
    _interacts(data).time = torch.tensor([1, 2, 3])


def bool_time(data: HeteroData) -> None:
    _interacts(data).time = torch.tensor([True] * 4)


def infinite_time(data: HeteroData) -> None:
    _interacts(data).time = torch.tensor([1.0, 2.0, float("inf"), 3.0])


ERRORS = [
    (no_users, "node type 'user' is missing or empty"),
    (no_relation, r"relation \('user', 'interacts', 'item'\) is missing"),
    (no_edges, "there is no interaction"),
    (no_edge_index, "'interacts' has shape None"),
    (transposed, r"'interacts' has shape \(4, 2\), expected \[2, E\]"),
    (float_edges, "'interacts' is torch.float32, expected int64"),
    (item_too_large, "row 1 of edge_index of 'interacts' holds 0 to 3, expected 0 to 2"),
    (negative_user, "row 0 of edge_index of 'interacts' holds -1 to 1, expected 0 to 1"),
    (repeated, "1 interactions are repeated"),
    (mask_missing, "split masks missing: test"),
    (mask_short, "val_mask is torch.bool of 1, expected bool of 4"),
    (mask_of_numbers, "val_mask is torch.int64 of 4"),
    (two_splits, "1 interactions are in two splits and 0 in none"),
    (in_no_split, "0 interactions are in two splits and 1 in none"),
    (empty_training, "training split is empty"),
    (no_features, "features of 'image' have shape None"),
    (flat_features, r"features of 'image' have shape \(2,\)"),
    (integer_features, "features of 'image' are torch.int64"),
    (node_too_large, "row 0 of edge_index of 'text describes item' holds 0 to 2"),
    (two_nodes_for_an_item, "an item has two feature nodes of modality 'text'"),
    (short_time, r"time is torch.int64 of shape \[3\], expected int64 or float of shape \[4\]"),
    (bool_time, "time is torch.bool"),
    (infinite_time, "the time of interaction 2 is inf"),
    (nan_feature, "1 values of modality 'image' are NaN or infinite, the first at row 1, column 1"),
]


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32, torch.float64])
def test_times_of_the_interactions_are_part_of_the_schema(dtype: torch.dtype) -> None:
    data = small()
    data["user", "interacts", "item"].time = torch.tensor([-3, 1, 1, 9], dtype=dtype)
    graph.validate(data)
    graph.check_time(data)
    graph.check_time(small())  # they are optional


@pytest.mark.parametrize(("damage", "message"), ERRORS, ids=[d.__name__ for d, _ in ERRORS])
def test_validate_names_what_is_wrong(damage: Callable[[HeteroData], None], message: str) -> None:
    data = small()
    damage(data)
    with pytest.raises(DataError, match=message):
        graph.validate(data)


def test_a_new_graph_has_what_it_was_given() -> None:
    edges, label = torch.tensor([[0, 0, 1], [0, 2, 1]]), torch.tensor([0, 2, 0])
    data = graph.new_graph(2, 3, edges, label, time=torch.tensor([5, 6, 7]))
    graph.add_modality(data, "text", torch.ones(2, 4), torch.tensor([2, 0]))
    graph.add_modality(data, "image", torch.eye(3))
    graph.validate(data)
    assert torch.equal(graph.split_labels(data), label)
    assert graph.interactions(data, "test").tolist() == [[0], [2]]
    assert graph.item_features(data, "text")[1].tolist() == [True, False, True]
    assert torch.equal(graph.item_features(data, "image")[0], torch.eye(3))
    assert graph.train_history(data).dense().tolist() == [[1, 0, 0], [0, 1, 0]]
    graph.set_split(data, torch.tensor([1, 0, 0]))
    assert graph.interactions(data, "val").tolist() == [[0], [0]]
    with pytest.raises(DataError, match="train_mask"):
        graph.split_labels(graph.new_graph(2, 3, edges))


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (torch.tensor([[0]]), r"users: got torch.int64 \(1, 1\), expected int64 \[n\]"),
        (torch.tensor([0.0]), r"users: got torch.float32 \(1,\), expected int64 \[n\]"),
        (torch.tensor([0, 3]), "users: got rows 0 to 3, expected 0 to 2"),
        (torch.tensor([-1, 1]), "users: got rows -1 to 1, expected 0 to 2"),
    ],
)
def test_rows_that_a_table_does_not_have(rows: torch.Tensor, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        graph.check_rows("users", rows, 3)


def test_rows_that_a_table_has() -> None:
    graph.check_rows("users", torch.tensor([2, 0, 2]), 3)
    graph.check_rows("users", torch.tensor([], dtype=torch.int64), 0)
