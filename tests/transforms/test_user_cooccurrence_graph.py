"""Companions of users against a dense product and the hand-computed case."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.testing import tiny_data
from mrdib_graph.transforms import UserCooccurrenceGraph, graph_cache, user_cooccurrence_graph
from mrdib_graph.transforms.user_cooccurrence_graph import top_companions


def histories(items_of: Sequence[Sequence[int]], num_items: int) -> HeteroData:
    """A graph whose interactions are all for training."""
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = len(items_of), num_items
    pairs = [(user, item) for user, items in enumerate(items_of) for item in items]
    store = data[graph.INTERACTS]
    store.edge_index = torch.tensor(pairs).T.reshape(2, -1)
    store.train_mask = torch.ones(len(pairs), dtype=torch.bool)
    store.val_mask = store.test_mask = ~store.train_mask
    return data


def operator(data: HeteroData, k: int, top: int = 200) -> Tensor:
    made = UserCooccurrenceGraph(k, top)(data)
    return graph.operator(made, f"user_cooccurrence_{k}").dense()


def brute_force(data: HeteroData, k: int) -> Tensor:
    """The full [U, U] product, each row sorted by (count descending, id ascending)."""
    size = graph.num_users(data)
    r = torch.zeros(size, graph.num_items(data))
    r[tuple(graph.interactions(data, "train"))] = 1
    counts = r @ r.T
    out = torch.zeros(size, size)
    for u in range(size):
        order = sorted((v for v in range(size) if v != u), key=lambda v: (-float(counts[u, v]), v))
        for v in order[:k]:
            out[u, v] = counts[u, v]
    return out


def test_hand_computed_counts() -> None:
    counts = operator(histories([[0, 1], [1, 2], [0, 1, 2]], 3), 40)
    assert counts.tolist() == [[0, 1, 2], [1, 0, 2], [2, 2, 0]]


@pytest.mark.parametrize("k", [1, 3, 8, 29])
def test_equals_brute_force(k: int) -> None:
    data = tiny_data()
    assert torch.equal(operator(data, k), brute_force(data, k))


def test_all_companions_are_symmetric_and_the_diagonal_is_empty() -> None:
    counts = operator(tiny_data(), 29)
    assert torch.equal(counts, counts.T) and not counts.diagonal().any() and counts.any()
    assert not counts[29].any()  # the idle user


def test_small_blocks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiny_data(60, 20)
    whole = operator(data, 7)
    for pairs in (1, 100, 301):
        monkeypatch.setattr(user_cooccurrence_graph, "_BLOCK_PAIRS", pairs)
        assert torch.equal(operator(data, 7), whole)


def test_ties_go_to_the_lowest_id() -> None:
    counts = operator(histories([[0]] * 6, 1), 2)
    assert counts.nonzero().tolist() == [
        [0, 1], [0, 2], [1, 0], [1, 2], [2, 0], [2, 1],
        [3, 0], [3, 1], [4, 0], [4, 1], [5, 0], [5, 1],
    ]  # fmt: skip


def test_repeated_interactions_count_once() -> None:
    edges = torch.tensor([[0, 0, 1], [0, 0, 0]])
    found = top_companions(edges, 2, 1, 5)
    assert found["count"].tolist() == [1, 1] and found["size"].tolist() == [1, 1]


def test_the_relation_holds_the_same_edges() -> None:
    data = tiny_data()
    made = UserCooccurrenceGraph(5)(data)
    matrix = graph.operator(made, "user_cooccurrence_5")
    relation = made["user", "cooccurs", "user"]
    assert torch.equal(relation.edge_index, matrix.edge_index())
    assert torch.equal(relation.edge_weight, matrix.value)
    assert ("user", "cooccurs", "user") not in data.edge_types  # the given graph is left alone


def test_training_edges_only() -> None:
    data = histories([[0], [0], [0]], 1)
    store = data[graph.INTERACTS]
    store.train_mask, store.test_mask = (torch.tensor(m) for m in ([1, 1, 0], [0, 0, 1]))
    store.train_mask, store.test_mask = store.train_mask.bool(), store.test_mask.bool()
    assert operator(data, 3).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    bare = HeteroData()
    bare["user"].num_nodes = bare["item"].num_nodes = 1
    bare[graph.INTERACTS].edge_index = torch.zeros(2, 1, dtype=torch.int64)
    with pytest.raises(DataError, match="train_mask"):
        UserCooccurrenceGraph()(bare)


def test_one_search_serves_every_k(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRDIB_GRAPH_CACHE", str(tmp_path))
    monkeypatch.setattr(user_cooccurrence_graph, "_CACHED_BYTES", 0)
    assert graph_cache.cache_dir() == tmp_path
    data = tiny_data()
    operator(data, 9, top=10)

    def fail(*args: object) -> dict[str, Tensor]:
        raise AssertionError("searched again")

    monkeypatch.setattr(user_cooccurrence_graph, "top_companions", fail)
    assert torch.equal(operator(data, 4, top=10), brute_force(data, 4))
    assert torch.equal(operator(data, 10, top=10), brute_force(data, 10))
    with pytest.raises(AssertionError, match="searched again"):
        operator(data, 4, top=11)


def test_present_operators_are_kept_and_each_k_has_its_own() -> None:
    made = UserCooccurrenceGraph(5)(tiny_data())
    again = UserCooccurrenceGraph(3)(UserCooccurrenceGraph(5)(made))
    name = "user_cooccurrence_5"
    assert graph.operator(again, name) is graph.operator(made, name)
    assert graph.operator(again, "user_cooccurrence_3").nnz < graph.operator(made, name).nnz


def test_options() -> None:
    with pytest.raises(ConfigError, match="k: got 0, expected a whole number, 1 or more"):
        UserCooccurrenceGraph(0)
    with pytest.raises(ConfigError, match="top: got 10, expected k = 40 or more"):
        UserCooccurrenceGraph(40, 10)
    assert repr(UserCooccurrenceGraph(5, 9)) == "UserCooccurrenceGraph(k=5, top=9)"
