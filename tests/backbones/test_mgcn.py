"""MGCN against its equations, on dense matrices and node by node, and the hand-computed cases."""

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import MGCN, LightGCN
from mrdib_graph.errors import ConfigError
from mrdib_graph.losses import info_nce, l2_half
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import tiny_data
from mrdib_graph.typing import Triplets

BATCH = Triplets(torch.tensor([0, 1, 1]), torch.tensor([4, 4, 5]), torch.tensor([[6], [7], [8]]))
THREE = ("image", "text", "audio")


def made(data: HeteroData, **options) -> MGCN:
    torch.manual_seed(0)
    return MGCN.from_data(data, **{"embedding_dim": 8, "k": 4, **options})


def dense_graph(data: HeteroData) -> Tensor:
    """S [U + I, U + I] from the training pairs."""
    users, size = graph.num_users(data), graph.num_users(data) + graph.num_items(data)
    a = torch.zeros(size, size)
    for user, item in graph.interactions(data, "train").T.tolist():
        a[user, users + item] = a[users + item, user] = 1.0
    degree = a.sum(1).clamp(min=1.0)
    return a / (degree.unsqueeze(1) * degree).sqrt()


def slow_tables(backbone: MGCN, data: HeteroData, side_scale: str, layers: int) -> Tensor:
    """Step by step from the paper's equations; attention over the modalities that a node has."""
    users, items = backbone.num_users, backbone.num_items
    s = dense_graph(data)
    ids = torch.cat([backbone.user.weight, backbone.item.weight])
    c = (ids + s @ ids + s @ s @ ids) / 3
    e, has = [], []
    for m in backbone.modalities:
        x, mask = graph.item_features(data, m)
        linear, gate = backbone.project[m].linear, backbone.gate[m].gate
        f = x @ linear.weight.T + linear.bias
        y = backbone.item.weight * torch.sigmoid(f @ gate.weight.T + gate.bias)
        k = graph.item_graph(data, m).dense()
        item = torch.linalg.matrix_power(k, layers) @ y
        e.append(torch.cat([s[:users, users:] @ item, item]))
        has.append(e[-1].abs().sum(1) > 0)
        assert not bool(has[-1][users:][~mask].any())
    hidden, score = backbone.attention.hidden, backbone.attention.score
    out = torch.zeros(users + items, backbone.embedding_dim)
    for node in range(users + items):
        mine = [j for j in range(len(e)) if has[j][node]]
        side = torch.zeros(backbone.embedding_dim)
        if mine:
            a = torch.stack(
                [
                    torch.tanh(hidden.weight @ e[j][node] + hidden.bias) @ score.weight[0]
                    for j in mine
                ]
            )
            t = a.exp() / a.exp().sum()
            common = sum(t[n] * e[j][node] for n, j in enumerate(mine))
            own = torch.zeros_like(side)
            for j in mine:
                p = backbone.preference[backbone.modalities[j]]
                own += torch.sigmoid(p.weight @ c[node] + p.bias) * (e[j][node] - common)
            if side_scale == "mean":
                side = (common + own) / (len(e) + 1)
            else:
                side = common + own / len(e)
        out[node] = c[node] + side
    return out


@pytest.mark.parametrize("modalities", [THREE[:1], THREE[:2], THREE])
@pytest.mark.parametrize(("side_scale", "layers"), [("mean", 1), ("paper", 2)])
@torch.no_grad()
def test_equals_the_equations(modalities: tuple[str, ...], side_scale: str, layers: int) -> None:
    data = tiny_data(modalities=modalities, missing=2)
    backbone = made(data, side_scale=side_scale, num_item_layers=layers)
    expected = slow_tables(backbone, backbone.prepare(data), side_scale, layers)
    torch.testing.assert_close(torch.cat(Recommender(backbone).tables(data)), expected)


@torch.no_grad()
def test_without_gate_weights_half_of_the_ids_pass() -> None:
    data = tiny_data()
    backbone = made(data)
    for gate in backbone.gate.parameters():
        gate.zero_()
    ready = backbone.prepare(data)
    rows = backbone.encode(ready)
    for m in backbone.modalities:
        expected = graph.item_graph(ready, m).dense() @ backbone.item.weight / 2
        torch.testing.assert_close(rows["item"][m], expected)


@torch.no_grad()
def test_hand_computed_item_graph() -> None:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 1, 3
    data["image"].x = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    data["image", "describes", "item"].edge_index = torch.arange(3).repeat(2, 1)
    store = data["user", "interacts", "item"]
    store.edge_index = torch.tensor([[0], [2]])
    store.train_mask = torch.ones(1, dtype=torch.bool)
    backbone = made(data, embedding_dim=3, k=2)
    for gate in backbone.gate.parameters():
        gate.zero_()
    backbone.item.weight.copy_(2 * torch.eye(3))  # the rows are then the graph itself
    rows = backbone.encode(backbone.prepare(data))
    expected = torch.tensor([[0.5012, 0.4988, 0], [0.4988, 0.5012, 0], [0, 0.0672, 0.9095]])
    torch.testing.assert_close(rows["item"]["image"], expected, atol=5e-5, rtol=0)
    torch.testing.assert_close(rows["user"]["image"], rows["item"]["image"][2:])  # degrees 1, 1


@pytest.mark.parametrize("count", [1, 2, 3])
@torch.no_grad()
def test_equal_modalities_give_their_share(count: int) -> None:
    data = tiny_data(modalities=THREE[:count])
    e, c = torch.randn(6, 8), torch.randn(6, 8)
    rows = {"id": c, **dict.fromkeys(THREE[:count], e)}
    fused = made(data).fuse(rows, "item")
    torch.testing.assert_close(fused.views["side"], e / (count + 1))
    assert torch.equal(fused.views["behavior"], c)
    torch.testing.assert_close(made(data, side_scale="paper").fuse(rows, "user").out, c + e)


@torch.no_grad()
def test_without_attention_weights_the_common_part_is_the_mean() -> None:
    backbone = made(tiny_data(modalities=THREE))
    backbone.attention.score.weight.zero_()
    for name, value in backbone.preference.named_parameters():  # closed gates: q = 0
        value.fill_(-1e4) if name.endswith("bias") else value.zero_()
    e = torch.randn(3, 6, 8)
    fused = backbone.fuse({"id": torch.randn(6, 8), **dict(zip(THREE, e, strict=True))}, "item")
    torch.testing.assert_close(fused.views["side"], e.mean(0) / 4)


@torch.no_grad()
def test_a_modality_that_a_node_lacks_changes_nothing() -> None:
    backbone, single = made(tiny_data()), made(tiny_data(modalities=("image",)))
    state = {n: v for n, v in backbone.state_dict().items() if "text" not in n}
    single.load_state_dict(state)
    rows = {"id": torch.randn(6, 8), "image": torch.randn(6, 8), "text": torch.zeros(6, 8)}
    side = backbone.fuse(rows, "item").views["side"]
    torch.testing.assert_close(side * 3, single.fuse(rows, "item").views["side"] * 2)


@torch.no_grad()
def test_the_behaviour_view_is_lightgcn() -> None:
    data = tiny_data()
    backbone = made(data)
    other = LightGCN.from_data(data, embedding_dim=8, num_layers=2)
    other.user, other.item = backbone.user, backbone.item
    user, item = Recommender(other).tables(data)
    rows = backbone.encode(backbone.prepare(data))
    torch.testing.assert_close(rows["user"]["id"], user)
    torch.testing.assert_close(rows["item"]["id"], item)


def test_terms_are_the_formulas_on_the_rows_of_the_batch() -> None:
    data = tiny_data()
    backbone = made(data, reg=0.1, contrast_weight=0.3, temperature=0.5)
    recommender = Recommender(backbone)
    user, item = recommender.tables(data)
    terms = recommender.loss(backbone.prepare(data), BATCH)
    items = torch.cat([BATCH.pos_item, BATCH.neg_item.flatten()])
    torch.testing.assert_close(terms["reg"], l2_half(user[BATCH.user], item[items]))
    rows, contrast = backbone.encode(backbone.prepare(data)), torch.zeros(())
    for node_type, index in (("item", BATCH.pos_item), ("user", BATCH.user)):
        views = backbone.fuse(rows[node_type], node_type).views
        contrast = contrast + info_nce(views["side"][index], views["behavior"][index], 0.5)
    torch.testing.assert_close(terms["contrast"], contrast)
    expected = terms["ranking"] + 0.1 * terms["reg"] + 0.3 * terms["contrast"]
    torch.testing.assert_close(recommender.total(terms), expected)


def test_without_weights_there_is_plain_bpr() -> None:
    data = tiny_data()
    backbone = made(data, reg=0.0, contrast_weight=0.0)
    terms = Recommender(backbone).loss(backbone.prepare(data), BATCH)
    assert list(terms) == ["ranking"]
    user, item = Recommender(backbone).tables(data)
    gap = (user[BATCH.user] * (item[BATCH.pos_item] - item[BATCH.neg_item[:, 0]])).sum(1)
    torch.testing.assert_close(terms["ranking"].detach(), torch.log1p(torch.exp(-gap)).mean())


@pytest.mark.parametrize("train_features", [False, True])
def test_every_parameter_has_a_gradient(train_features: bool) -> None:
    data = tiny_data(modalities=THREE)
    backbone = made(data, train_features=train_features)
    recommender = Recommender(backbone)
    recommender.total(recommender.loss(backbone.prepare(data), BATCH)).backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.any()), name
    trained = [name for name, _ in backbone.named_parameters() if name.endswith("delta")]
    assert len(trained) == (3 if train_features else 0)


def test_training_features_leaves_the_item_graphs() -> None:
    data = tiny_data()
    backbone = made(data, train_features=True)
    before = graph.item_graph(backbone.prepare(data), "image").dense()
    with torch.no_grad():
        backbone.project["image"].delta.normal_()
    assert torch.equal(graph.item_graph(backbone.prepare(data), "image").dense(), before)


@torch.no_grad()
def test_backbones_with_other_k_do_not_read_each_others_graphs() -> None:
    one, two = made(tiny_data()), made(tiny_data(), k={"image": 4, "text": 9})
    data = one.prepare(tiny_data())
    both = two.prepare(data)
    for backbone in (one, two):
        expected = Recommender(backbone).tables(tiny_data())
        for each in (data, both):
            assert all(map(torch.equal, Recommender(backbone).tables(each), expected))
    assert not torch.equal(*(Recommender(b).tables(both)[1] for b in (one, two)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"side_scale": "sum"}, "side_scale'?: got 'sum', expected mean or paper"),
        ({"num_item_layers": 0}, "num_item_layers'?: got 0, expected a whole number, 1 or more"),
        ({"temperature": 0.0}, "temperature'?: got 0.0, expected more than 0"),
        ({"k": 0}, "k'?: got 0, expected a whole number, 1 or more"),
        ({"num_layers": -1}, "num_layers'?: got -1, expected a whole number, 0 or more"),
    ],
)
def test_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MGCN.from_data(tiny_data(), **options)


def test_needs_a_modality() -> None:
    with pytest.raises(ConfigError, match="the graph has no modality"):
        MGCN(num_users=3, num_items=4, in_channels={})
