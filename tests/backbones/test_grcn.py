"""GRCN against its equations node by node, and its checks by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import GRCN
from mrdib_graph.errors import ConfigError
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import tiny_data
from mrdib_graph.typing import Rows, Triplets

BATCH = Triplets(torch.tensor([0, 1, 2]), torch.tensor([3, 3, 5]), torch.tensor([[6], [7], [8]]))
U = 30


def made(data: HeteroData, **options) -> GRCN:
    """With confidences that are not near 0, so that the edge weights matter."""
    torch.manual_seed(0)
    backbone = GRCN.from_data(data, **{"embedding_dim": 8, **options})
    for table in (backbone.user_confidence, backbone.item_confidence):
        torch.nn.init.normal_(table.weight)
    return backbone


def unit(x: Tensor) -> Tensor:
    return x / x.norm() if x.norm() > 0 else x


def attend(own: Tensor, others: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Softmax weights of inner products, and the weighted sum."""
    alpha = torch.stack([own @ other for other in others]).softmax(0)
    return alpha, (alpha.unsqueeze(1) * torch.stack(others)).sum(0)


def by_hand(backbone: GRCN, data: HeteroData, rounds: int, layers: int) -> Rows:
    """Every name's rows of users and items, in loops over nodes and edges."""
    nodes = U + graph.num_items(data)
    near: list[list[int]] = [[] for _ in range(nodes)]
    for u, i in graph.interactions(data, "train").T.tolist():
        near[u].append(U + i)
        near[U + i].append(u)
    q = torch.cat([backbone.user_confidence.weight, backbone.item_confidence.weight])
    best: dict[tuple[int, int], list[Tensor]] = {}
    out = {}
    for k, m in enumerate(backbone.modalities):
        x, mask = graph.item_features(data, m)
        has = [True] * U + mask.tolist()
        linear = backbone.project[m].linear
        rows = [unit(p) for p in backbone.preference[m].weight]
        rows += [unit(F.leaky_relu(linear.weight @ x_i + linear.bias)) for x_i in x]
        for _ in range(rounds):
            seen = [[rows[j] for j in near[n] if has[j]] for n in range(U)]
            rows[:U] = [
                unit(rows[n] + attend(rows[n], seen[n])[1]) if seen[n] else rows[n]
                for n in range(U)
            ]
        table = []
        for n in range(nodes):
            others = [j for j in near[n] if has[j]] if has[n] else []
            row = rows[n] if has[n] else torch.zeros_like(rows[n])
            if others:
                alpha, message = attend(row, [rows[j] for j in others])
                row = row + message
                for weight, j in zip(alpha, others, strict=True):
                    best.setdefault((n, j), []).append(weight * q[j, k])
            table.append(row)
        out[m] = torch.stack(table)
    w = torch.zeros(nodes, nodes)
    for (n, j), values in best.items():
        w[n, j] = max(0.0, *(float(value.detach()) for value in values))
    z = torch.stack([unit(r) for r in torch.cat([backbone.user.weight, backbone.item.weight])])
    out["id"] = sum(torch.linalg.matrix_power(w, power) @ z for power in range(layers + 1))
    return {name: rows.detach() for name, rows in out.items()}


@pytest.mark.parametrize(
    ("options", "rounds", "layers"),
    [
        ({"routing": "published"}, 0, 2),
        ({}, 3, 2),
        ({"num_routing": 1, "num_layers": 1}, 1, 1),
        ({"num_routing": 0, "num_layers": 0}, 0, 0),
    ],
)
def test_equals_the_loops(options: dict[str, object], rounds: int, layers: int) -> None:
    data = tiny_data(modalities=("image", "text"), missing=4)
    backbone = made(data, **options)
    tables = backbone.encode(backbone.prepare(data))
    expected = by_hand(backbone, data, rounds, layers)
    assert set(tables["user"]) == set(tables["item"]) == set(expected)
    for name, rows in expected.items():
        got = torch.cat([tables["user"][name], tables["item"][name]]).detach()
        torch.testing.assert_close(got, rows, msg=lambda text, name=name: f"{name}: {text}")
    fused = torch.cat(Recommender(backbone).tables(data))
    torch.testing.assert_close(fused, torch.cat([expected[n] for n in ("id", "image", "text")], 1))


def test_tables_are_one_width_for_ids_and_one_for_each_modality() -> None:
    data = tiny_data(modalities=("image", "text", "audio"))
    user, item = Recommender(made(data)).tables(data)
    assert user.shape == (30, 32) and item.shape == (40, 32)


def test_equal_rows_give_each_neighbour_the_same_weight() -> None:
    data = tiny_data(missing=0)
    backbone = made(data, routing="published")
    with torch.no_grad():
        for m in backbone.modalities:
            backbone.preference[m].weight.fill_(1.0)
            backbone.project[m].linear.weight.zero_()
            backbone.project[m].linear.bias.fill_(2.0)
        backbone.user_confidence.weight.fill_(1.0)
        backbone.item_confidence.weight.fill_(1.0)
    ready = backbone.prepare(data)
    rows = backbone.encode(ready)
    # alpha = 1 / degree: the message is the common row, and W is D^-1 A
    degree = graph.user_item_graph(ready, "sym").crow.diff()
    common = torch.full((70, 8), 8**-0.5) * (1 + (degree > 0)).unsqueeze(1)
    content = torch.cat([rows["user"]["image"], rows["item"]["image"]])
    torch.testing.assert_close(content, common)
    w = graph.user_item_graph(ready, "sym").dense().sign() / degree.clamp(min=1).unsqueeze(1)
    z = F.normalize(torch.cat([backbone.user.weight, backbone.item.weight]))
    ids = torch.cat([rows["user"]["id"], rows["item"]["id"]])
    torch.testing.assert_close(ids, z + w @ z + w @ w @ z)


def test_published_routing_leaves_preferences_alone() -> None:
    data = tiny_data()
    published, none, clean = (
        made(data, **options) for options in ({"routing": "published"}, {"num_routing": 0}, {})
    )
    tables = [Recommender(each).tables(data) for each in (published, none, clean)]
    assert all(map(torch.equal, tables[0], tables[1]))
    assert not torch.allclose(tables[0][0], tables[2][0])
    last = [each.encode(each.prepare(data))["user"]["image"][29] for each in (published, clean)]
    torch.testing.assert_close(*last)  # a user without interactions


def test_distrusted_edges_leave_ids_alone() -> None:
    data = tiny_data()
    backbone = made(data)
    with torch.no_grad():
        backbone.user_confidence.weight.fill_(-1.0)
        backbone.item_confidence.weight.fill_(-1.0)
    rows = backbone.encode(backbone.prepare(data))
    torch.testing.assert_close(rows["user"]["id"], F.normalize(backbone.user.weight))
    torch.testing.assert_close(rows["item"]["id"], F.normalize(backbone.item.weight))


def test_a_missing_modality_contributes_nothing() -> None:
    data = tiny_data()  # item 3 has no text
    backbone = made(data)
    rows = backbone.encode(backbone.prepare(data))["item"]
    assert not rows["text"][3].any() and bool(rows["image"][3].any())


def test_every_parameter_has_a_gradient() -> None:
    data = tiny_data()
    backbone = made(data)
    recommender = Recommender(backbone)
    recommender.total(recommender.loss(backbone.prepare(data), BATCH)).backward()
    assert [n for n, p in backbone.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_regulariser() -> None:
    data = tiny_data()
    backbone = made(data)
    terms = Recommender(backbone).loss(backbone.prepare(data), BATCH)
    pairs = [(u, i) for u, p, n in zip(*BATCH[:3], strict=True) for i in (int(p), int(n))]
    squares = [backbone.user.weight[u] ** 2 + backbone.item.weight[i] ** 2 for u, i in pairs]
    image, text = (backbone.preference[m].weight for m in ("image", "text"))
    expected = torch.stack(squares).mean() + (image**2).mean()
    expected = expected + (image[:3] ** 2).mean() + (text[:3] ** 2).mean()
    torch.testing.assert_close(terms["reg"], expected)
    bare = made(data, reg=0.0)
    assert set(Recommender(bare).loss(bare.prepare(data), BATCH)) == {"ranking"}


def test_start_of_the_tables() -> None:
    torch.manual_seed(0)
    backbone = GRCN(num_users=300, num_items=200, in_channels={"image": 600, "text": 40})
    for weight, shape, fan in (
        (backbone.user.weight, (300, 64), 564),
        (backbone.item.weight, (200, 64), 564),
        (backbone.preference["image"].weight, (300, 64), 364),
        (backbone.project["image"].linear.weight, (64, 600), 664),
        (backbone.user_confidence.weight, (300, 2), 502),
        (backbone.item_confidence.weight, (200, 2), 502),
    ):
        assert weight.shape == shape
        assert float(weight.detach().std()) == pytest.approx((2 / fan) ** 0.5, rel=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"routing": "both"}, "routing'?: got 'both', expected published or clean"),
        ({"num_layers": -1}, "num_layers'?: got -1, expected a whole number, 0 or more"),
        ({"num_routing": -1}, "num_routing'?: got -1, expected a whole number, 0 or more"),
    ],
)
def test_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GRCN.from_data(tiny_data(), **options)


def test_needs_a_modality() -> None:
    with pytest.raises(ConfigError, match="no modality"):
        GRCN(num_users=3, num_items=4, in_channels={})
