"""MMGCN against its equations with dense matrices, and its checks by hand."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import MMGCN
from mrdib_graph.errors import ConfigError
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import tiny_data
from mrdib_graph.typing import Rows, Triplets

BATCH = Triplets(torch.tensor([0, 1, 2]), torch.tensor([3, 3, 5]), torch.tensor([[6], [7], [8]]))
MAPPED = {"project_above": 8, "hidden_channels": 10}  # the image's 12 columns are mapped to 10


def made(data: HeteroData, **options) -> MMGCN:
    torch.manual_seed(0)
    return MMGCN.from_data(data, **{"embedding_dim": 8, **options})


def dense_rows(backbone: MMGCN, data: HeteroData, m: str) -> Tensor:
    """Users and items of one modality after three layers, node by node."""
    state = {name: value.detach() for name, value in backbone.state_dict().items()}
    users = graph.num_users(data)
    nodes = users + graph.num_items(data)
    adjacency = torch.zeros(nodes, nodes)
    for u, i in graph.interactions(data, "train").T.tolist():
        adjacency[u, users + i] = adjacency[users + i, u] = 1.0
    x, mask = graph.item_features(data, m)
    if f"project.{m}.linear.weight" in state:
        x = x @ state[f"project.{m}.linear.weight"].T + state[f"project.{m}.linear.bias"]
    rows = torch.cat([state[f"preference_{m}"], x * mask.unsqueeze(1)])
    rows = torch.stack([r / r.norm() if r.norm() > 0 else r for r in rows])
    ids = torch.cat([state["user_ids"], state["item_ids"]])
    for layer in ("first", "second", "third"):
        w = {
            name.removeprefix(f"{layer}.{m}."): value
            for name, value in state.items()
            if name.startswith(f"{layer}.{m}.")
        }
        new = []
        for n in range(nodes):
            seen = [rows[j] for j in adjacency[n].nonzero().flatten().tolist()]
            mean = torch.stack(seen).mean(0) if seen else torch.zeros_like(rows[n])
            a = F.leaky_relu(w["neighbor.weight"] @ mean)
            s = F.leaky_relu(w["own.weight"] @ rows[n] + w["own.bias"]) + ids[n]
            both = w["combine.weight"] @ torch.cat([a, s]) + w["combine.bias"]
            new.append(F.leaky_relu(both))
        rows = torch.stack(new)
    rows[users:] *= mask.unsqueeze(1)
    return rows


def stacked(tables: dict[str, Rows], m: str) -> Tensor:
    return torch.cat([tables["user"][m], tables["item"][m]]).detach()


@pytest.mark.parametrize("options", [{}, MAPPED, {**MAPPED, "train_ids": True}])
def test_equals_the_dense_form(options: dict[str, object]) -> None:
    data = tiny_data()
    backbone = made(data, **options)
    tables = backbone.encode(backbone.prepare(data))
    expected = {m: dense_rows(backbone, data, m) for m in backbone.modalities}
    for m, rows in expected.items():
        torch.testing.assert_close(stacked(tables, m), rows)
    fused = torch.cat(Recommender(backbone).tables(data))
    torch.testing.assert_close(fused, (expected["image"] + expected["text"]) / 2)


def test_with_one_modality_the_tables_are_its_rows() -> None:
    data = tiny_data(modalities=("image",))
    backbone = made(data)
    rows = backbone.encode(backbone.prepare(data))
    user, item = Recommender(backbone).tables(data)
    assert torch.equal(user, rows["user"]["image"]) and torch.equal(item, rows["item"]["image"])


def test_the_mean_operator_keeps_a_constant() -> None:
    data = tiny_data()  # the last user and the last item have no interaction
    ready = made(data).prepare(data)
    expected = torch.ones(70)
    expected[[29, 69]] = 0.0
    torch.testing.assert_close(
        graph.user_item_graph(ready, "row") @ torch.ones(70, 1), expected[:, None]
    )


def test_without_ids_and_neighbour_map_a_row_depends_on_its_own_features_only() -> None:
    data, other = tiny_data(), tiny_data()
    backbone = made(data)
    with torch.no_grad():
        backbone.user_ids.zero_()
        backbone.item_ids.zero_()
        for name, weight in backbone.named_parameters():
            if name.endswith("neighbor.weight"):
                weight.zero_()
    changed = int(graph.interactions(data, "train")[1, 0])
    node = int((other[graph.describes("image")].edge_index[1] == changed).nonzero())
    other["image"].x[node] += 1.0
    one, two = (stacked(backbone.encode(backbone.prepare(d)), "image") for d in (data, other))
    differs = (one != two).any(1).nonzero().flatten().tolist()
    assert differs == [30 + changed]


def test_modalities_in_another_order_give_the_same_tables() -> None:
    data = tiny_data()
    backbone = made(data)
    torch.manual_seed(1)
    other = MMGCN(
        num_users=30,
        num_items=40,
        in_channels=dict(reversed(backbone.in_channels.items())),
        embedding_dim=8,
    )
    other.load_state_dict(backbone.state_dict())
    assert other.modalities == ["text", "image"]
    for one, two in zip(
        Recommender(backbone).tables(data), Recommender(other).tables(data), strict=True
    ):
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize("train_ids", [True, False])
def test_what_five_steps_change(train_ids: bool) -> None:
    data = tiny_data()
    backbone = made(data, train_ids=train_ids, **MAPPED)
    before = copy.deepcopy(backbone.state_dict())
    recommender, ready = Recommender(backbone).train(), backbone.prepare(data)
    optimizer = torch.optim.Adam(recommender.parameters(), lr=0.01)
    for _ in range(5):
        optimizer.zero_grad()
        recommender.total(recommender.loss(ready, BATCH)).backward()
        optimizer.step()
    same = {n for n, value in backbone.state_dict().items() if torch.equal(value, before[n])}
    tables = {"user_ids", "item_ids", "preference_image", "preference_text"}
    assert same == (set() if train_ids else tables)
    assert tables == {n for n, _ in backbone.named_buffers()} or train_ids
    fresh = made(data, train_ids=train_ids, **MAPPED)
    fresh.load_state_dict(backbone.state_dict())
    assert all(map(torch.equal, Recommender(fresh).tables(data), recommender.tables(data)))


def test_every_parameter_has_a_gradient() -> None:
    data = tiny_data()
    backbone = made(data, train_ids=True, **MAPPED)
    recommender = Recommender(backbone)
    recommender.total(recommender.loss(backbone.prepare(data), BATCH)).backward()
    assert [n for n, p in backbone.named_parameters() if p.grad is None or not p.grad.any()] == []


def chain(length: int = 5) -> HeteroData:
    """u0 - i0 - u1 - i1 - u2 - ...: user k took the items k - 1 and k."""
    data = HeteroData()
    data["user"].num_nodes = data["item"].num_nodes = length
    pairs = [(k, i) for k in range(length) for i in (k - 1, k) if i >= 0]
    store = data[graph.INTERACTS]
    store.edge_index = torch.tensor(pairs).T
    store.train_mask = torch.ones(len(pairs), dtype=torch.bool)
    store.val_mask = store.test_mask = ~store.train_mask
    data["image"].x = torch.randn(length, 3, generator=torch.Generator().manual_seed(0))
    data[graph.describes("image")].edge_index = torch.arange(length).repeat(2, 1)
    return data


def test_three_layers_reach_three_hops() -> None:
    data = chain()
    tables = []
    for shift in (0.0, 1.0):
        backbone = made(data)
        backbone.preference_image[2] += shift
        tables.append(stacked(backbone.encode(backbone.prepare(data)), "image"))
    reached = (tables[0] != tables[1]).any(1)
    # hops from user 2: users 0 to 4 are 4, 2, 0, 2, 4 away and items 0 to 4 are 3, 1, 1, 3, 5
    assert reached.tolist() == [False, True, True, True, False, True, True, True, True, False]


def test_new_preferences_and_a_new_graph_are_seen() -> None:
    data, other = tiny_data(), tiny_data(seed=1)
    backbone, fresh = made(data), made(data)
    Recommender(backbone).tables(data)
    state = {n: v + 1 if "preference" in n else v for n, v in backbone.state_dict().items()}
    for each in (backbone, fresh):
        each.load_state_dict(state)
    for graph_ in (data, other):
        expected = Recommender(copy.deepcopy(fresh)).tables(graph_)
        assert all(map(torch.equal, Recommender(backbone).tables(graph_), expected))


def test_regulariser() -> None:
    data = tiny_data()
    backbone = made(data, train_ids=True, reg=0.1)
    terms = Recommender(backbone).loss(backbone.prepare(data), BATCH)
    pairs = [(u, i) for u, p, n in zip(*BATCH[:3], strict=True) for i in (int(p), int(n))]
    squares = [backbone.user_ids[u] ** 2 + backbone.item_ids[i] ** 2 for u, i in pairs]
    expected = torch.stack(squares).mean() + (backbone.preference_image**2).mean()
    torch.testing.assert_close(terms["reg"], expected)
    for options in ({"reg": 0.1}, {"train_ids": True}):
        bare = made(data, **options)
        assert set(Recommender(bare).loss(bare.prepare(data), BATCH)) == {"ranking"}


def test_start_of_the_tables() -> None:
    torch.manual_seed(0)
    backbone = MMGCN(num_users=300, num_items=200, in_channels={"image": 600, "text": 40})
    for name, shape, fan in (
        ("user_ids", (300, 64), 564),
        ("item_ids", (200, 64), 564),
        ("preference_image", (300, 256), 556),
        ("preference_text", (300, 40), 340),
    ):
        table = getattr(backbone, name)
        assert table.shape == shape
        assert float(table.std()) == pytest.approx((2 / fan) ** 0.5, rel=0.03)
    assert list(backbone.project) == ["image"]


def test_an_item_without_a_modality_has_a_row_of_zeros() -> None:
    data = tiny_data()  # item 3 has no text
    backbone = made(data, project_above=1)
    rows = backbone.encode(backbone.prepare(data))["item"]
    assert not rows["text"][3].any() and bool(rows["image"][3].any())


def test_options() -> None:
    with pytest.raises(
        ConfigError, match="hidden_channels'?: got 0, expected a whole number, 1 or more"
    ):
        MMGCN.from_data(tiny_data(), hidden_channels=0)
    with pytest.raises(ConfigError, match="no modality"):
        MMGCN(num_users=3, num_items=4, in_channels={})
