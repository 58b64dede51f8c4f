"""SMORE against its equations on dense matrices, with numpy's transform."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import MGCN, SMORE, LightGCN
from mrdib_graph.errors import ConfigError
from mrdib_graph.losses import info_nce, l2_half
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.nn import SpectralFilter
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import tiny_data
from mrdib_graph.typing import Triplets

BATCH = Triplets(torch.tensor([0, 1, 1]), torch.tensor([4, 4, 5]), torch.tensor([[6], [7], [8]]))
THREE = ("image", "text", "audio")
K = {"image": 4, "text": 6, "audio": 3}


def made(data: HeteroData, **options) -> SMORE:
    torch.manual_seed(0)
    return SMORE.from_data(data, **{"embedding_dim": 8, "k": K, **options})


def linear(layer: torch.nn.Module, x: Tensor) -> Tensor:
    out = x @ layer.weight.T  # type: ignore[union-attr, operator]
    return out if layer.bias is None else out + layer.bias


def filtered(layer: SpectralFilter, x: list[Tensor], masks: list[Tensor]) -> Tensor:
    """Item by item, over the modalities that the item has."""
    weight = layer.weight.numpy()
    rows = []
    for item in range(x[0].size(0)):
        product = weight[:, 0] + 1j * weight[:, 1]
        for x_m, mask in zip(x, masks, strict=True):
            if mask[item]:
                product = product * np.fft.rfft(x_m[item].numpy(), norm="ortho")
        rows.append(np.fft.irfft(product, n=x[0].size(1), norm="ortho"))
    return torch.tensor(np.stack(rows), dtype=x[0].dtype)


def slow_tables(backbone: SMORE, data: HeteroData) -> Tensor:
    users, names = backbone.num_users, backbone.modalities
    s = torch.zeros(users + backbone.num_items, users + backbone.num_items)
    for user, item in graph.interactions(data, "train").T.tolist():
        s[user, users + item] = s[users + item, user] = 1.0
    degree = s.sum(1).clamp(min=1.0)
    s = s / (degree.unsqueeze(1) * degree).sqrt()
    ids = torch.cat([backbone.user.weight, backbone.item.weight])
    c = (ids + s @ ids + s @ s @ ids + s @ s @ s @ ids) / 4
    features = [graph.item_features(data, m) for m in names]
    masks = [mask for _, mask in features]
    f = [linear(backbone.project[m].linear, x) for m, (x, _) in zip(names, features, strict=True)]
    k = [graph.item_graph(data, m).dense() for m in names]
    everywhere = torch.ones_like(masks[0])
    rows = [filtered(backbone.filter[m], [x], [everywhere]) for m, x in zip(names, f, strict=True)]
    rows.append(filtered(backbone.filter["fused"], f, masks))
    k.append(torch.stack([torch.where(x != 0, x, -torch.inf) for x in k]).amax(0))
    k[-1][k[-1].isinf()] = 0.0
    e = []
    for v, x, graph_v in zip([*names, "fused"], rows, k, strict=True):
        y = backbone.item.weight * torch.sigmoid(linear(backbone.gate[v].gate, x))
        e.append(torch.cat([s[:users, users:] @ graph_v @ y, graph_v @ y]))
    side = torch.sigmoid(linear(backbone.preference["fused"], c)) * e[-1]
    for m, e_m in zip(names, e[:-1], strict=True):
        first, _, second = backbone.query[m]
        a = linear(second, torch.tanh(linear(first, e[-1])))
        a = a.exp() / a.exp().sum(1, keepdim=True)
        side = side + torch.sigmoid(linear(backbone.preference[m], c)) * a * e_m
    return c + side / (len(names) + 1)


@pytest.mark.parametrize("modalities", [THREE[:1], THREE[:2], THREE])
@pytest.mark.parametrize("width", [7, 8])
@torch.no_grad()
def test_equals_the_equations(modalities: tuple[str, ...], width: int) -> None:
    data = tiny_data(modalities=modalities, missing=2)
    backbone = made(data, embedding_dim=width, k={m: K[m] for m in modalities})
    expected = slow_tables(backbone, backbone.prepare(data))
    torch.testing.assert_close(torch.cat(Recommender(backbone).tables(data)), expected)


@torch.no_grad()
def test_a_filter_of_ones_makes_the_views_of_mgcn() -> None:
    data = tiny_data()
    backbone, other = made(data), MGCN.from_data(data, embedding_dim=8, k=K, num_layers=3)
    for layer in backbone.filter.values():
        layer.weight.copy_(torch.tensor([1.0, 0.0]).expand_as(layer.weight))
    for name in ("user", "item", "project"):
        setattr(other, name, getattr(backbone, name))
    for m in other.modalities:
        other.gate[m] = backbone.gate[m]
    rows, expected = (b.encode(b.prepare(data)) for b in (backbone, other))
    for node_type, of_type in expected.items():
        for name, value in of_type.items():
            torch.testing.assert_close(rows[node_type][name], value)
    assert set(rows["item"]) == {"id", "image", "text", "fused"} == set(rows["user"])


@torch.no_grad()
def test_the_behaviour_view_is_lightgcn() -> None:
    data = tiny_data()
    backbone = made(data)
    other = LightGCN.from_data(data, embedding_dim=8, num_layers=3)
    other.user, other.item = backbone.user, backbone.item
    rows = backbone.encode(backbone.prepare(data))
    for node_type, table in zip(("user", "item"), Recommender(other).tables(data), strict=True):
        torch.testing.assert_close(rows[node_type]["id"], table)


@torch.no_grad()
def test_attention_is_over_channels_and_gates_are_dropped_in_training_only() -> None:
    backbone = made(tiny_data(), dropout=0.25)
    for parameter in [*backbone.query.parameters(), *backbone.preference.parameters()]:
        parameter.zero_()  # even attention, gates half open
    rows = {name: torch.ones(500, 8) for name in ("id", "fused", "image")}
    rows["text"] = torch.zeros(500, 8)
    side = backbone.eval().fuse(rows, "item").views["side"]
    torch.testing.assert_close(side, torch.full_like(side, (0.5 + 0.5 / 8) / 3))
    rows["image"] = rows["text"]
    side = backbone.train().fuse(rows, "item").views["side"]
    kept = side != 0
    torch.testing.assert_close(side[kept], torch.full_like(side[kept], 0.5 / 0.75 / 3))
    assert 0.7 < float(kept.float().mean()) < 0.8


def test_the_fused_view_is_no_modality() -> None:
    data = tiny_data()
    backbone = made(data)
    recommender = Recommender(backbone, MRdIB(backbone.modalities, 8))
    assert set(recommender.codes(data)["item"]) == {"image", "text", "id"}
    with pytest.raises(ConfigError, match="modality 'fused' is not one of SMORE's: image, text"):
        Recommender(backbone, MRdIB(["image", "fused"], 8))
    with pytest.raises(ConfigError, match="modality 'fused' has the fused view's name"):
        SMORE(num_users=3, num_items=4, in_channels={"fused": 5})


@torch.no_grad()
def test_the_fused_view_reads_every_modality() -> None:
    data = tiny_data(modalities=THREE)
    backbone = made(data)
    before = backbone.encode(backbone.prepare(data))["item"]
    for m in THREE:
        changed = tiny_data(modalities=THREE)
        changed[m].x = changed[m].x.flip(1)
        after = backbone.encode(backbone.prepare(changed))["item"]
        assert not torch.equal(after["fused"], before["fused"])
        assert [n for n in THREE if not torch.equal(after[n], before[n])] == [m]


def test_terms_are_the_formulas_on_the_rows_of_the_batch() -> None:
    data = tiny_data()
    backbone = made(data, reg=0.1, contrast_weight=0.3)
    recommender = Recommender(backbone)
    user, item = recommender.tables(data)
    terms = recommender.loss(backbone.prepare(data), BATCH)
    items = torch.cat([BATCH.pos_item, BATCH.neg_item.flatten()])
    torch.testing.assert_close(terms["reg"], l2_half(user[BATCH.user], item[items]))
    rows, contrast = backbone.encode(backbone.prepare(data)), torch.zeros(())
    for node_type, index in (("item", BATCH.pos_item), ("user", BATCH.user)):
        views = backbone.fuse(rows[node_type], node_type).views
        contrast = contrast + info_nce(views["side"][index], views["behavior"][index], 0.2)
    torch.testing.assert_close(terms["contrast"], contrast)
    assert backbone.loss_weights == {"reg": 0.1, "contrast": 0.3}
    bare = made(data, reg=0.0, contrast_weight=0.0)
    assert list(Recommender(bare).loss(bare.prepare(data), BATCH)) == ["ranking"]


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


@torch.no_grad()
def test_backbones_with_other_k_do_not_read_each_others_graphs() -> None:
    backbones = [made(tiny_data(), k=k) for k in (K, 4, {"image": 6, "text": 4})]
    backbones.append(MGCN.from_data(tiny_data(), embedding_dim=8, k=6))  # type: ignore[arg-type]
    data = tiny_data()
    for backbone in backbones:
        data = backbone.prepare(data)
    for backbone in backbones:
        expected = Recommender(backbone).tables(tiny_data())
        assert all(map(torch.equal, Recommender(backbone).tables(data), expected))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout": 1.0}, "dropout'?: got 1.0, expected a probability below 1"),
        ({"num_item_layers": 0}, "num_item_layers'?: got 0, expected a whole number, 1 or more"),
        ({"temperature": -1.0}, "temperature'?: got -1.0, expected more than 0"),
        (
            {"k": {"image": 0, "text": 3}},
            r"'k'\['image'\]: got 0, expected a whole number, 1 or more",
        ),
    ],
)
def test_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SMORE.from_data(tiny_data(), **options)


def test_needs_a_modality() -> None:
    with pytest.raises(ConfigError, match="the graph has no modality"):
        SMORE(num_users=3, num_items=4, in_channels={})
