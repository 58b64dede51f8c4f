"""Second-order user-item graphs against dense loops over users and the hand-computed case."""

import logging
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.testing import tiny_data
from mrdib_graph.transforms import (
    SecondOrderGraph,
    UserItemGraph,
    content_order,
    second_order_pairs,
)
from mrdib_graph.transforms.graph_cache import cached


def hand_data(histories: list[list[int]], num_items: int = 3) -> HeteroData:
    """Users with the given training items; items [1, 0], [2, 1], [1, 2] in both modalities."""
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = len(histories), num_items
    pairs = [(user, item) for user, items in enumerate(histories) for item in items]
    store = data[graph.INTERACTS]
    store.edge_index = torch.tensor(pairs).t()
    store.train_mask = torch.ones(len(pairs), dtype=torch.bool)
    store.val_mask = store.test_mask = ~store.train_mask
    for m in ("image", "text"):
        data[m].x = torch.tensor([[1.0, 0.0], [2.0, 1.0], [1.0, 2.0]])[:num_items]
        data[graph.describes(m)].edge_index = torch.arange(num_items).repeat(2, 1)
    return data


def operators(data: HeteroData, **options) -> tuple[Tensor, Tensor]:
    transform = SecondOrderGraph(**options)
    out = transform(data)
    made = [graph.operator(out, name) for name in (transform.nodes, transform.history)]
    assert made[0].symmetric
    return made[0].dense(), made[1].dense()


def interactions_matrix(data: HeteroData) -> Tensor:
    r = torch.zeros(graph.num_users(data), graph.num_items(data))
    user, item = graph.interactions(data, "train")
    r[user, item] = 1.0
    return r


def similarity(data: HeteroData) -> tuple[Tensor, Tensor, list[int]]:
    """Product of the cosines [I, I], which pairs have all modalities, and each item's place."""
    size = graph.num_items(data)
    product = torch.ones(size, size, dtype=torch.float64)
    both, key = ~torch.eye(size, dtype=torch.bool), torch.zeros(size, dtype=torch.float64)
    for m in graph.modalities(data):
        x, mask = graph.item_features(data, m)
        unit = torch.nn.functional.normalize(x.double(), dim=1)
        product = product * (unit @ unit.T)
        both &= mask.unsqueeze(1) & mask
        key += sum((c + 1) * x[:, c].double() / x.size(1) for c in range(x.size(1)))
    return product, both, key.argsort(stable=True).argsort().tolist()


def dense_r_a(data: HeteroData, k: int, exclude_history: bool) -> Tensor:
    """A loop over users: sort every pair of a history item and any other item."""
    r, (value, allowed, place) = interactions_matrix(data), similarity(data)
    out = r.clone()
    for user in range(len(r)):
        history = r[user].nonzero().flatten().tolist()
        pairs = [
            (-round(float(value[i, j]) * 2**20), place[j], place[i], j, float(value[i, j]))
            for i in history
            for j in range(r.size(1))
            if allowed[i, j] and not (exclude_history and j in history)
        ]
        for *_, j, weight in sorted(pairs)[:k]:
            out[user, j] += weight
    return out


def sym(r: Tensor) -> Tensor:
    """Normalised [[0, r], [r^T, 0]], stored values at least 1e-7."""
    users, items = r.shape
    a = torch.zeros(users + items, users + items)
    a[:users, users:], a[users:, :users] = r, r.T
    degree = a.sum(1)
    scale = torch.where(degree > 0, degree.clamp(min=1e-12).rsqrt(), torch.zeros_like(degree))
    return torch.where(a != 0, (scale.unsqueeze(1) * a * scale).clamp(min=1e-7), a)


@pytest.mark.parametrize(
    ("k", "expected"),
    [
        (2, [[1.8, 1.8, 0.0], [0.2, 0.64, 1.0]]),
        (3, [[1.8, 1.8, 0.64], [0.2, 0.64, 1.0]]),
    ],
)
def test_hand_computed_case(k: int, expected: list[list[float]]) -> None:
    data = hand_data([[0, 1], [2]])
    r_a, s = torch.tensor(expected), sym(interactions_matrix(data))
    nodes, history = operators(data, k=k)
    torch.testing.assert_close(nodes, s + sym(r_a) / 2, atol=1e-6, rtol=1e-5)
    assert torch.equal(history, nodes[:2, 2:])
    torch.testing.assert_close(dense_r_a(data, k, False), r_a)


def test_nothing_added_is_one_and_a_half_times_the_plain_graph() -> None:
    data = tiny_data()
    nodes, history = operators(data, k=0)
    plain = graph.user_item_graph(UserItemGraph("sym")(data)).dense()
    torch.testing.assert_close(nodes, 1.5 * plain)
    torch.testing.assert_close(history, 1.5 * plain[:30, 30:])


@pytest.mark.parametrize("modalities", [("image",), ("image", "text"), ("image", "text", "audio")])
@pytest.mark.parametrize("exclude_history", [False, True])
@pytest.mark.parametrize("k", [1, 2, 6, 25])
def test_equals_a_loop_over_users(
    modalities: tuple[str, ...], exclude_history: bool, k: int
) -> None:
    data = tiny_data(modalities=modalities, missing=3)
    nodes, history = operators(data, k=k, exclude_history=exclude_history, weight=0.3)
    r, r_a = interactions_matrix(data), dense_r_a(data, k, exclude_history)
    assert bool(((r_a != 0).sum(1) <= r.sum(1) + k).all())
    torch.testing.assert_close(nodes, sym(r) + 0.3 * sym(r_a), atol=1e-6, rtol=1e-5)
    assert torch.equal(history, nodes[:30, 30:])
    assert not nodes[29].any()  # a user without a history


def test_small_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiny_data()
    expected = operators(data, k=4, exclude_history=True)
    monkeypatch.setattr(second_order_pairs, "_BLOCK_CANDIDATES", 100)
    assert all(map(torch.equal, operators(data, k=4, exclude_history=True), expected))


def test_a_table_that_is_too_shallow_is_deepened(monkeypatch: pytest.MonkeyPatch) -> None:
    # the 40 items of the history are nearer to one another than to any of the other 20
    data = tiny_data(4, 60, ("image",), missing=0, idle=False)
    angle = torch.cat([torch.linspace(0, 0.1, 40), torch.linspace(0.8, 1.2, 20)])
    data["image"].x = torch.stack([angle.cos(), angle.sin()], 1)
    data["image", "describes", "item"].edge_index = torch.arange(60).repeat(2, 1)
    store = data[graph.INTERACTS]
    store.edge_index = torch.stack([torch.zeros(40, dtype=torch.int64), torch.arange(40)])
    store.train_mask = torch.ones(40, dtype=torch.bool)
    store.val_mask = store.test_mask = ~store.train_mask
    depths, made = [], second_order_pairs._table

    def watched(items: Any, depth: int) -> Any:
        depths.append(depth)
        return made(items, depth)

    monkeypatch.setattr(second_order_pairs, "_table", watched)
    nodes, _ = operators(data, k=2, exclude_history=True, weight=1.0)
    expected = sym(interactions_matrix(data)) + sym(dense_r_a(data, 2, True))
    torch.testing.assert_close(nodes, expected, atol=1e-6, rtol=1e-5)
    assert depths == [12, 24, 48]


def test_renumbering_the_items_renumbers_the_edges() -> None:
    data = tiny_data(duplicate_rows=False)
    other, new_number = data.clone(), torch.randperm(40, generator=torch.Generator().manual_seed(1))
    user, item = data[graph.INTERACTS].edge_index
    other[graph.INTERACTS].edge_index = torch.stack([user, new_number[item]])
    for m in graph.modalities(data):
        node, item = data[graph.describes(m)].edge_index
        other[graph.describes(m)].edge_index = torch.stack([node, new_number[item]])
    for k in (1, 2, 3):  # of the pairs (i, j) and (j, i) the k-th may be either
        one, two = operators(data, k=k)[1], operators(other, k=k)[1]
        torch.testing.assert_close(two[:, new_number], one)


def test_published_norm_reads_the_sums_of_users() -> None:
    data = hand_data([[0, 1], [2], [0, 2], [1]])
    r_a = dense_r_a(data, 2, False)
    sums = r_a.sum(1)
    plain = sym(interactions_matrix(data))[:4, 4:]
    expected = plain.clone()
    for user in range(4):
        for item in range(3):
            expected[user, item] += 0.5 * r_a[user, item] / (sums[user] * sums[item]).sqrt()
    nodes, history = operators(data, k=2, ra_norm="published")
    torch.testing.assert_close(history, expected)
    torch.testing.assert_close(nodes, operators(data, k=2)[0])
    with pytest.raises(ConfigError, match="ra_norm: 'published' .* got 3 items, 2 users: use 'bl"):
        SecondOrderGraph(ra_norm="published")(hand_data([[0, 1], [2]]))


def test_an_item_without_a_modality_is_never_second_order() -> None:
    data = tiny_data(missing=3)  # items 3, 4, 5 have no text
    plain = interactions_matrix(data) != 0
    _, history = operators(data, k=30)
    assert torch.equal(history[:, 3:6] != 0, plain[:, 3:6])
    assert int((history != 0).sum()) > int(plain.sum())


def test_users_without_a_new_item_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    data = hand_data([[0, 1], [2]])
    with caplog.at_level(logging.INFO):
        operators(data, k=2)
        operators(data, k=2, exclude_history=True)
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "second-order graph: 1 of 2 users with a history get no new item (k = 2)",
        "second-order graph: 0 of 2 users with a history get no new item (k = 2, history excluded)",
    ]


def test_one_item_has_no_pair() -> None:
    nodes, _ = operators(hand_data([[0], [0]], num_items=1), k=2)
    torch.testing.assert_close(nodes, 1.5 * sym(torch.ones(2, 1)))


def test_the_cache_gives_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, data = tmp_path_factory.mktemp("graphs"), tiny_data()
    fresh = operators(data, k=3)
    monkeypatch.setattr(content_order, "cached", partial(cached, folder=folder, minimum_bytes=0))
    for _ in range(2):
        assert all(map(torch.equal, operators(data, k=3), fresh))
    assert len(list(folder.iterdir())) == 1
    operators(data, k=3, exclude_history=True)
    operators(tiny_data(seed=1), k=3)
    assert len(list(folder.iterdir())) == 3


def test_operators_that_are_there_are_kept_and_options_do_not_collide() -> None:
    one, other = SecondOrderGraph(2), SecondOrderGraph(3, weight=1.0)
    data = other(one(tiny_data()))
    again = one(data)
    assert graph.operator(again, one.nodes) is graph.operator(data, one.nodes)
    assert graph.operator(data, one.nodes).nnz < graph.operator(data, other.nodes).nnz


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": -1}, "^k: got -1, expected a whole number, 0 or more"),
        ({"weight": -0.5}, "^weight: got -0.5, expected 0 or more"),
        ({"ra_norm": "row"}, "ra_norm: got 'row', expected block or published"),
    ],
)
def test_options(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SecondOrderGraph(**options)


def test_needs_a_modality_and_repr() -> None:
    with pytest.raises(DataError, match="second-order graph: the graph has no modality"):
        SecondOrderGraph()(tiny_data(modalities=()))
    assert repr(SecondOrderGraph(3)) == (
        "SecondOrderGraph(k=3, weight=0.5, ra_norm='block', exclude_history=False)"
    )
