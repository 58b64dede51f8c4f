"""BM3 against its equations."""

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import BM3, CONTEXT
from mrdib_graph.errors import ConfigError
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import tiny_data
from mrdib_graph.typing import Terms, Triplets

BATCH = Triplets(
    torch.tensor([0, 1, 2, 1]), torch.tensor([3, 3, 5, 9]), torch.tensor([[6], [7], [8], [1]])
)


def made(data: HeteroData, **options) -> BM3:
    torch.manual_seed(0)
    return BM3.from_data(data, **{"embedding_dim": 8, **options})


def unpredicted(backbone: BM3, data: HeteroData, num_layers: int) -> tuple[Tensor, Tensor]:
    """The rows a of users and items, from a dense graph."""
    user, item = graph.interactions(data, "train")
    adjacency = torch.zeros(70, 70)
    adjacency[user, 30 + item] = adjacency[30 + item, user] = 1.0
    scale = adjacency.sum(1).clamp(min=1).rsqrt()
    s = scale.unsqueeze(1) * adjacency * scale
    x = torch.cat([backbone.user.weight, backbone.item.weight])
    layers = [torch.linalg.matrix_power(s, layer) @ x for layer in range(num_layers + 1)]
    e = torch.stack(layers).mean(0)
    return e[:30], e[30:] + backbone.item.weight


def features(backbone: BM3, data: HeteroData, modality: str) -> tuple[Tensor, Tensor]:
    x, mask = graph.item_features(data, modality)
    linear = backbone.project[modality].linear
    return x @ linear.weight.T + linear.bias, mask


def distance(a: Tensor, b: Tensor) -> Tensor:
    """1 - cos of two vectors, the second without gradient."""
    b = b.detach()
    return 1 - (a @ b) / (a.norm() * b.norm())


def reference(backbone: BM3, data: HeteroData) -> Terms:
    """Every term without dropout, pair by pair."""
    a_user, a_item = unpredicted(backbone, data, backbone.conv.num_layers)
    predict = backbone.predictor
    pairs = list(zip(BATCH.user.tolist(), BATCH.pos_item.tolist(), strict=True))
    bootstrap = [
        distance(predict(a_user[u]), a_item[i]) + distance(predict(a_item[i]), a_user[u])
        for u, i in pairs
    ]
    alignment = []
    for m in backbone.modalities:
        f, mask = features(backbone, data, m)
        parts = [
            distance(predict(f[i]), a_item[i]) + distance(predict(f[i]), f[i])
            for _, i in pairs
            if mask[i]
        ]
        alignment.append(torch.stack(parts).mean())
    norm = (a_user.square().sum().sqrt() + a_item.square().sum().sqrt()) / 40
    return {
        "bootstrap": torch.stack(bootstrap).mean(),
        "reg": norm,
        "alignment": torch.stack(alignment).sum(),
    }


@pytest.mark.parametrize("num_layers", [1, 2])
def test_tables_are_the_formula(num_layers: int) -> None:
    data = tiny_data()
    backbone = made(data, num_layers=num_layers)
    tables = Recommender(backbone).tables(data)
    rows = unpredicted(backbone, data, num_layers)
    predictor = backbone.predictor
    for table, row in zip(tables, rows, strict=True):
        expected = row @ predictor.weight.T + predictor.bias
        torch.testing.assert_close(table, expected.detach())
    encoded = backbone.encode(backbone.prepare(data))
    for m in backbone.modalities:
        f, mask = features(backbone, data, m)
        torch.testing.assert_close(encoded["item"][m], f * mask.unsqueeze(1))
    view = backbone.fuse(encoded["user"], "user").views["target"]
    assert torch.equal(view, encoded["user"]["id"])


@pytest.mark.parametrize("missing", [0, 1])  # with 1, item 3 has no text
@pytest.mark.parametrize("num_layers", [1, 2])
def test_loss_and_gradients_are_the_formula(missing: int, num_layers: int) -> None:
    data = tiny_data(missing=missing)
    backbone = made(data, num_layers=num_layers, dropout=0.0, reg=0.3, alignment_weight=0.7)
    recommender = Recommender(backbone).train()
    terms = recommender.loss(backbone.prepare(data), BATCH)
    expected = reference(backbone, data)
    assert set(terms) == {"ranking", *expected}
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value)
    total = expected["bootstrap"] + 0.3 * expected["reg"] + 0.7 * expected["alignment"]
    ours = recommender.total(terms)
    torch.testing.assert_close(ours, total)
    parameters = list(backbone.parameters())
    grads = [torch.autograd.grad(t, parameters, materialize_grads=True) for t in (ours, total)]
    for name, ours_, theirs in zip(dict(backbone.named_parameters()), *grads, strict=True):
        assert bool(ours_.any()), name
        torch.testing.assert_close(ours_, theirs, atol=1e-6, rtol=1e-4)


def test_identity_predictor_and_no_dropout_leave_the_alignment_alone() -> None:
    data = tiny_data(missing=0)
    backbone = made(data, dropout=0.0)
    torch.nn.init.eye_(backbone.predictor.weight)
    torch.nn.init.zeros_(backbone.predictor.bias)
    terms = Recommender(backbone).train().loss(backbone.prepare(data), BATCH)
    _, a_item = unpredicted(backbone, data, 1)
    expected = sum(
        distance(features(backbone, data, m)[0][i], a_item[i]) / 4
        for m in backbone.modalities
        for i in BATCH.pos_item.tolist()
    )
    torch.testing.assert_close(terms["alignment"], expected)  # f against itself adds nothing


def test_targets_are_dropped_in_training_only() -> None:
    data = tiny_data(missing=0)
    backbone = made(data, dropout=0.4)
    recommender, ready = Recommender(backbone), backbone.prepare(data)
    plain = reference(backbone, data)
    recommender.eval()
    for name, value in recommender.loss(ready, BATCH).items():
        if name != "ranking":
            torch.testing.assert_close(value, plain[name])
    torch.manual_seed(5)
    terms = recommender.train().loss(ready, BATCH)
    torch.manual_seed(5)  # one draw for each distinct user, item and feature row
    a_user, a_item = unpredicted(backbone, data, 1)
    items = torch.cat([BATCH.pos_item, BATCH.neg_item.flatten()]).unique()
    user = functional.dropout(a_user[:3], 0.4)[BATCH.user]
    at = torch.searchsorted(items, BATCH.pos_item)
    item = functional.dropout(a_item[items], 0.4)[at]
    predict = backbone.predictor
    online = (predict(a_user[BATCH.user]), predict(a_item[BATCH.pos_item]))
    expected = [
        distance(a, b)
        for pair in (zip(online[0], item, strict=True), zip(online[1], user, strict=True))
        for a, b in pair
    ]
    torch.testing.assert_close(terms["bootstrap"], torch.stack(expected).sum() / 4)
    total = torch.zeros(())
    for m in backbone.modalities:
        f = features(backbone, data, m)[0]
        target = functional.dropout(f[items], 0.4)[at]
        for row, (i, wanted) in enumerate(zip(BATCH.pos_item.tolist(), item, strict=True)):
            total = total + distance(predict(f[i]), wanted) + distance(predict(f[i]), target[row])
    torch.testing.assert_close(terms["alignment"], total / 4)
    torch.testing.assert_close(terms["reg"], plain["reg"])


def test_features_do_not_reach_the_score() -> None:
    data, other = tiny_data(), tiny_data()
    other["image"].x = other["image"].x.flip(0) + 1
    backbone = made(data)
    assert all(
        map(torch.equal, Recommender(backbone).tables(data), Recommender(backbone).tables(other))
    )


def test_sampled_items_do_not_reach_the_loss() -> None:
    data = tiny_data()
    backbone = made(data, dropout=0.0)
    recommender, ready = Recommender(backbone), backbone.prepare(data)
    others = BATCH._replace(neg_item=torch.tensor([[20], [21], [22], [23]]))
    one, two = (recommender.loss(ready, batch) for batch in (BATCH, others))
    assert float(one["ranking"].detach()) != float(two["ranking"].detach())
    torch.testing.assert_close(recommender.total(one), recommender.total(two))


@pytest.mark.parametrize("user_side", ["fused", "mean", "vector"])
def test_batch_rows_give_the_loss_and_gradients_of_full_rows(user_side: str) -> None:
    data = tiny_data()
    batch_rows = made(data, user_side=user_side, dropout=0.0)
    full_rows = copy.deepcopy(batch_rows)
    full_rows.rowwise = False  # type: ignore[misc]
    totals = []
    for backbone in (batch_rows, full_rows):
        mrdib = MRdIB(backbone.modalities, 8, alpha_unique=0.1)
        recommender = Recommender(backbone, mrdib)
        totals.append(recommender.total(recommender.loss(backbone.prepare(data), BATCH)))
        totals[-1].backward()
    torch.testing.assert_close(*totals)
    for (name, mine), theirs in zip(
        batch_rows.named_parameters(), full_rows.parameters(), strict=True
    ):
        assert mine.grad is not None and bool(mine.grad.any()), name
        torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(("user_side", "rows"), [("fused", 3), ("vector", 3), ("mean", 40)])
def test_only_the_mean_of_a_history_projects_all_items(user_side: str, rows: int) -> None:
    data = tiny_data()
    backbone = made(data, user_side=user_side)
    projected = []
    for m in backbone.modalities:
        backbone.project[m].register_forward_hook(lambda *call: projected.append(len(call[2])))
    ready = backbone.prepare(data)
    encoded = backbone.encode_rows(ready, torch.tensor([1, 2]), torch.tensor([0, 5, 9]))
    assert projected == [rows, rows]
    assert encoded["item"]["text"].shape == (3, 8)
    assert ("text" in encoded["user"]) == (user_side != "fused")


def test_norms_of_the_full_tables_are_context() -> None:
    data = tiny_data()
    backbone = made(data)
    user, item = unpredicted(backbone, data, 1)
    encoded = backbone.encode_rows(backbone.prepare(data), torch.tensor([1]), torch.tensor([0]))
    torch.testing.assert_close(encoded[CONTEXT]["norm"], (user.norm() + item.norm()) / 40)
    backbone = made(data, reg=0.0, alignment_weight=0.0)
    assert CONTEXT not in backbone.encode(backbone.prepare(data))
    terms = Recommender(backbone).loss(backbone.prepare(data), BATCH)
    assert set(terms) == {"ranking", "bootstrap"}


def test_trained_features_move_with_the_items_of_the_batch() -> None:
    data = tiny_data()
    backbone = made(data, train_features=True)
    recommender = Recommender(backbone).train()
    recommender.total(recommender.loss(backbone.prepare(data), BATCH)).backward()
    grads = {m: backbone.project[m].delta.grad for m in backbone.modalities}
    assert grads["image"].any(1).nonzero().flatten().tolist() == [3, 5, 9]
    assert grads["text"].any(1).nonzero().flatten().tolist() == [5, 9]  # item 3 has no text


def test_mrdib_stands_beside_the_score_only() -> None:
    backbone = made(tiny_data())
    mrdib = MRdIB(backbone.modalities, 8)
    assert Recommender(backbone, mrdib).placement == "auxiliary"
    with pytest.raises(ConfigError, match="BM3 has no inline one"):
        Recommender(backbone, mrdib, placement="inline")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout": 1.0}, "dropout'?: got 1.0, expected a probability below 1"),
        ({"reg": -0.1}, "reg'?: got -0.1, expected 0 or more"),
        ({"alignment_weight": -1.0}, "alignment_weight'?: got -1.0, expected 0 or more"),
        ({"num_layers": -1}, "num_layers'?: got -1"),
        ({"user_side": "max"}, "user_side'?: got 'max'"),
    ],
)
def test_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BM3.from_data(tiny_data(), **options)


def test_needs_a_modality() -> None:
    with pytest.raises(ConfigError, match="no modality"):
        BM3(num_users=3, num_items=4, in_channels={})
