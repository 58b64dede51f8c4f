"""FREEDOM against its equations and the hand-computed cases."""

import copy
import math

import pytest
import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import FREEDOM
from mrdib_graph.errors import ConfigError
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.recommender import Recommender
from mrdib_graph.sparse import SparseMatrix
from mrdib_graph.testing import tiny_data
from mrdib_graph.typing import Triplets

BATCH = Triplets(
    torch.tensor([0, 1, 2, 1]),
    torch.tensor([3, 3, 5, 9]),
    torch.tensor([[6, 7], [3, 8], [8, 0], [1, 6]]),
)
BETA = {"image": 0.1, "text": 0.9}


def made(data: HeteroData, **options) -> FREEDOM:
    torch.manual_seed(0)
    return FREEDOM.from_data(data, **{"embedding_dim": 8, "k": 4, **options})


def mean_of_layers(s: Tensor, x: Tensor) -> Tensor:
    return (x + s @ x + s @ s @ x) / 3


def ids(backbone: FREEDOM) -> Tensor:
    return torch.cat([backbone.user.weight, backbone.item.weight]).detach()


def pruned(backbone: FREEDOM, data: HeteroData, seed: int = 0) -> SparseMatrix:
    """The graph that an epoch trains on."""
    backbone.train().prepare_epoch(data, Generator().manual_seed(seed))
    return backbone.user_item_matrix(data)


def dense_item_graph(data: HeteroData, modality: str, k: int) -> Tensor:
    """The binary kNN graph from all cosines, items that lack the modality left out."""
    x, mask = graph.item_features(data, modality)
    cosine = torch.nn.functional.normalize(x, dim=1) @ torch.nn.functional.normalize(x, dim=1).T
    out = torch.zeros_like(cosine)
    for i in range(x.size(0)):
        if mask[i]:
            others = [j for j in range(x.size(0)) if j != i and mask[j]]
            others.sort(key=lambda j: -float(cosine[i, j]))
            for j in [i, *others[: k - 1]]:
                out[i, j] = 1 / k
    return out


@pytest.mark.parametrize("num_item_layers", [1, 3])
def test_tables_are_the_formula(num_item_layers: int) -> None:
    data = tiny_data(duplicate_rows=False, zero_row=False, missing=2)
    backbone = made(data, num_item_layers=num_item_layers, modality_weights=BETA)
    user, item = Recommender(backbone).tables(data)
    train_user, train_item = graph.interactions(data, "train")
    adjacency = torch.zeros(70, 70)
    adjacency[train_user, 30 + train_item] = adjacency[30 + train_item, train_user] = 1.0
    scale = adjacency.sum(1).clamp(min=1).rsqrt()
    e = mean_of_layers(scale.unsqueeze(1) * adjacency * scale, ids(backbone))
    joint = sum(BETA[m] * dense_item_graph(data, m, 4) for m in BETA)
    h = torch.linalg.matrix_power(joint, num_item_layers) @ backbone.item.weight.detach()
    torch.testing.assert_close(user, e[:30])
    torch.testing.assert_close(item, e[30:] + h)


def test_training_uses_the_kept_edges() -> None:
    data = tiny_data()
    backbone = made(data)
    data = backbone.prepare(data)
    s = pruned(backbone, data)
    pairs = {(u, i + 30) for u, i in graph.interactions(data, "train").T.tolist()}
    kept = [(u, i) for u, i in s.edge_index().T.tolist() if u < i]
    assert len(set(kept)) == len(kept) == int(len(pairs) * (1 - 0.8)) and set(kept) <= pairs
    degree = [sum(node in edge for edge in kept) for node in range(70)]
    dense = torch.zeros(70, 70)
    for u, i in kept:
        dense[u, i] = dense[i, u] = 1 / math.sqrt(degree[u] * degree[i])
    torch.testing.assert_close(s.dense(), dense)
    rows = backbone.encode(data)
    e = torch.cat([rows["user"]["id"], rows["item"]["id"]]).detach()
    torch.testing.assert_close(e, mean_of_layers(dense, ids(backbone)))
    isolated = torch.tensor(degree) == 0
    assert bool(isolated.any())
    torch.testing.assert_close(e[isolated], ids(backbone)[isolated] / 3)
    content = backbone.fuse(rows["item"], "item").views["content"]
    again = backbone.eval().encode(data)["item"]
    assert torch.equal(content, backbone.fuse(again, "item").views["content"])


def test_without_pruning_the_graphs_are_the_same() -> None:
    data = tiny_data()
    backbone = made(data, prune=0.0)
    data = backbone.prepare(data)
    assert pruned(backbone, data) is graph.user_item_graph(data, "sym")
    assert not graph.has_operator(data, "user_history_sym")


def test_keeping_almost_all_edges_keeps_the_full_graph_to_the_bit(two_by_two: HeteroData) -> None:
    backbone = made(two_by_two, prune=1e-17)  # 1 - prune is 1
    data = backbone.prepare(two_by_two)
    full = graph.user_item_graph(data, "sym")
    made_again = pruned(backbone, data)
    assert made_again is not full
    for name in ("crow", "col", "value"):
        assert torch.equal(getattr(made_again, name), getattr(full, name))


def test_draws_of_the_two_by_two_graph(two_by_two: HeteroData) -> None:
    backbone = made(two_by_two, prune=0.6, k=2)  # int(3 * 0.4) = 1 edge is kept
    data = backbone.prepare(two_by_two)
    backbone.train()
    generator, counts = Generator().manual_seed(0), {(0, 2): 0, (0, 3): 0, (1, 3): 0}
    for _ in range(3_000):
        backbone.prepare_epoch(data, generator)
        s = backbone.user_item_matrix(data)
        assert s.value.tolist() == [1.0, 1.0]  # the only edge of both its ends
        counts[tuple(s.edge_index()[:, 0].tolist())] += 1
    for edge, share in {(0, 2): 0.369, (0, 3): 0.261, (1, 3): 0.369}.items():
        assert counts[edge] / 3_000 == pytest.approx(share, abs=0.027)


def test_an_epoch_keeps_its_edges_and_the_next_draws_others() -> None:
    data = tiny_data()
    backbone = made(data)
    data = backbone.prepare(data)
    first = pruned(backbone, data, seed=0)
    Recommender(backbone).tables(data)
    assert backbone.train().user_item_matrix(data) is first
    other = copy.deepcopy(backbone)
    second = pruned(backbone, data, seed=1)
    assert not torch.equal(first.edge_index(), second.edge_index())
    backbone.load_state_dict(other.state_dict())
    assert torch.equal(backbone.user_item_matrix(data).edge_index(), first.edge_index())


def test_another_graph_has_edges_of_its_own() -> None:
    one, two = tiny_data(), tiny_data(seed=1)
    backbone = made(one)
    for data in (backbone.prepare(one), backbone.prepare(two)):
        s = pruned(backbone, data)
        pairs = {(u, i + 30) for u, i in graph.interactions(data, "train").T.tolist()}
        assert {(u, i) for u, i in s.edge_index().T.tolist() if u < i} <= pairs


def test_tables_do_not_depend_on_the_draw() -> None:
    data = tiny_data()
    backbone = made(data)
    tables = []
    for seed in range(2):
        pruned(backbone, backbone.prepare(data), seed)
        tables.append(Recommender(backbone).tables(data))
    assert all(map(torch.equal, *tables))


def test_item_graph_weights() -> None:
    data = tiny_data(missing=0)
    backbone = made(data, modality_weights=BETA)
    data = backbone.prepare(data)
    joint = torch.zeros(40, 40)
    for m in backbone.modalities:
        item_graph = graph.item_graph(data, m, "bin_sym")
        torch.testing.assert_close(item_graph.value, torch.full((160,), 0.25))
        torch.testing.assert_close(item_graph.row_sum(), torch.ones(40))
        joint += BETA[m] * item_graph.dense()
    found = sorted({round(float(v), 6) for v in joint[joint > 0]})
    assert found == [0.025, 0.225, 0.25]  # image's, text's, both


def test_the_features_reach_the_score_by_the_item_graph_alone() -> None:
    data = tiny_data(missing=0)
    backbone = made(data, reg=0.0)
    assert not list(backbone.project.parameters())
    ready = backbone.prepare(data)
    before = Recommender(backbone).tables(ready)
    for m in backbone.modalities:
        ready["item"][f"x_{m}"] = torch.randn_like(ready["item"][f"x_{m}"])
    assert all(map(torch.equal, before, Recommender(backbone).tables(ready)))
    assert list(Recommender(backbone).loss(ready, BATCH)) == ["ranking"]


@pytest.mark.parametrize("missing", [0, 1])
def test_modality_ranking_loss_is_the_formula(missing: int) -> None:
    data = tiny_data(missing=missing)  # with 1, item 3 has no text
    backbone = made(data, reg=0.5)
    recommender = Recommender(backbone).eval()
    user, _ = recommender.tables(data)
    expected = 0.0
    for m in backbone.modalities:
        x, mask = graph.item_features(data, m)
        linear = backbone.project[m].linear
        f = (x @ linear.weight.T + linear.bias).detach()
        values = [
            math.log1p(math.exp(float(user[u] @ (f[j] - f[i]))))
            for u, i, negatives in zip(*(t.tolist() for t in BATCH[:3]), strict=True)
            for j in negatives
            if mask[i] and mask[j]
        ]
        assert len(values) == (8 if bool(mask.all()) else 4)
        expected += sum(values) / len(values)
    terms = recommender.loss(backbone.prepare(data), BATCH)
    assert float(terms["modality_ranking"].detach()) == pytest.approx(expected, rel=1e-5)
    total = float(recommender.total(terms).detach())
    assert total == pytest.approx(float(terms["ranking"].detach()) + 0.5 * expected, rel=1e-5)


def test_a_batch_of_items_without_the_modality_gives_no_loss() -> None:
    data = tiny_data(missing=3)  # items 3, 4, 5 have no text
    backbone = made(data, reg=1.0)
    batch = Triplets(torch.tensor([0, 1]), torch.tensor([3, 4]), torch.tensor([[5], [3]]))
    Recommender(backbone).loss(backbone.prepare(data), batch)["modality_ranking"].backward()
    grads = {m: backbone.project[m].linear.weight.grad for m in backbone.modalities}
    assert bool(grads["image"].any()) and not bool(grads["text"].any())


@pytest.mark.parametrize("user_side", ["fused", "mean", "vector"])
def test_gradients_reach_every_parameter(user_side: str) -> None:
    data = tiny_data()
    backbone = made(data, user_side=user_side, train_features=True)
    recommender = Recommender(backbone, MRdIB(backbone.modalities, 8, alpha_unique=0.1)).train()
    ready = backbone.prepare(data)
    recommender.prepare_epoch(ready, 0, Generator())
    recommender.total(recommender.loss(ready, BATCH)).backward()
    without = [n for n, p in backbone.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without
    delta = backbone.project["image"].delta.grad
    assert delta.any(1).nonzero().flatten().tolist() == [0, 1, 3, 5, 6, 7, 8, 9]


def test_user_side_is_read_by_the_modality_score_only() -> None:
    data = tiny_data()
    tables = []
    for user_side in ("fused", "mean", "vector"):
        backbone = made(data, user_side=user_side).eval()
        ready = backbone.prepare(data)
        rows = backbone.encode(ready)
        mine = backbone.modality_user("image", rows["user"])
        if user_side == "fused":
            assert torch.equal(mine, rows["user"]["id"])
        if user_side == "mean":
            own = graph.interactions(data, "train")
            items = own[1, own[0] == 4]
            torch.testing.assert_close(mine[4], rows["item"]["image"][items].mean(0))
        if user_side == "vector":
            assert torch.equal(mine, backbone.modality_users.vectors["image"].weight)
        tables.append(Recommender(backbone).tables(data))
    assert all(
        torch.equal(a, b) for other in tables[1:] for a, b in zip(tables[0], other, strict=True)
    )


def test_modality_weights_are_made_to_sum_to_one() -> None:
    data = tiny_data()
    assert made(data).modality_weights == {"image": 0.5, "text": 0.5}
    backbone = made(data, modality_weights={"text": 3, "image": 1})
    assert backbone.modality_weights == {"image": 0.25, "text": 0.75}
    rows = backbone.encode(backbone.eval().prepare(data))["item"]
    expected = rows["id"] + 0.25 * rows["image"] + 0.75 * rows["text"]
    torch.testing.assert_close(backbone.fuse(rows, "item").out, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prune": 1.0}, "prune'?: got 1.0, expected a probability below 1"),
        ({"prune": -0.1}, "prune'?: got -0.1"),
        ({"num_item_layers": 0}, "num_item_layers'?: got 0, expected a whole number, 1 or more"),
        ({"k": 0}, "k'?: got 0, expected a whole number, 1 or more"),
        ({"reg": -1.0}, "reg'?: got -1.0, expected 0 or more"),
        ({"user_side": "max"}, "user_side'?: got 'max'"),
        (
            {"modality_weights": {"image": 1.0, "audio": 1.0}},
            "modality_weights'?: got image, audio, expected one for each of image, text",
        ),
        ({"modality_weights": {"image": 1.0}}, "modality_weights'?: got image, expected one for"),
        ({"modality_weights": {}}, "modality_weights'?: got none"),
        ({"modality_weights": {"image": -1.0, "text": 2.0}}, "expected 0 or more and one above 0"),
        ({"modality_weights": {"image": 0.0, "text": 0.0}}, "expected 0 or more and one above 0"),
        ({"modality_weights": {"image": "a", "text": 1}}, "got 'a', expected a number"),
    ],
)
def test_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FREEDOM.from_data(tiny_data(), **options)


def test_needs_a_modality() -> None:
    with pytest.raises(ConfigError, match="no modality"):
        FREEDOM(num_users=3, num_items=4, in_channels={})
