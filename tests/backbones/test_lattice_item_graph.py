"""LATTICE's item graphs against full matrices and the hand-computed case."""

import copy

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import LATTICE
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import tiny_data
from mrdib_graph.typing import Rows, Triplets

BATCH = Triplets(torch.tensor([0, 1, 2]), torch.tensor([3, 3, 5]), torch.tensor([[6], [7], [8]]))
HAND = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])


def made(data: HeteroData, **options) -> LATTICE:
    torch.manual_seed(0)
    backbone = LATTICE.from_data(data, **{"embedding_dim": 8, "k": 4, **options})
    torch.nn.init.normal_(backbone.alpha)
    return backbone


def image_only(x: Tensor) -> HeteroData:
    """A graph whose items have the given features and one user who has them all."""
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 1, x.size(0)
    store = data["user", "interacts", "item"]
    store.edge_index = torch.stack(
        [torch.zeros(x.size(0), dtype=torch.int64), torch.arange(len(x))]
    )
    store.train_mask = torch.ones(x.size(0), dtype=torch.bool)
    store.val_mask = store.test_mask = ~store.train_mask
    data["image"].x = x
    data["image", "describes", "item"].edge_index = torch.arange(x.size(0)).repeat(2, 1)
    return data


def item_graphs(backbone: LATTICE, data: HeteroData) -> list[Tensor]:
    """Every A_m, read off by propagating the identity."""
    backbone.eval()
    eye = torch.eye(backbone.num_items)
    rows = backbone._content(backbone.prepare(data), eye, backbone.training)
    return [rows[m].detach() for m in backbone.modalities]


def dense_item_graphs(backbone: LATTICE, data: HeteroData) -> list[Tensor]:
    """The same from full matrices: the recipe of the paper and of its release."""
    kept, raw = [], []
    for m in backbone.modalities:
        x, mask = graph.item_features(data, m)
        both = mask.unsqueeze(1) & mask
        for rows, out in ((backbone.project[m](x).detach(), kept), (x, raw)):
            unit = torch.nn.functional.normalize(rows.double(), dim=1)
            cosine = unit @ unit.T * both
            ranked = cosine.clone()
            ranked[:, ~mask] = -3.0
            ranked.fill_diagonal_(3.0)
            index = ranked.topk(backbone.k).indices
            out.append(torch.zeros_like(cosine).scatter(1, index, cosine.gather(1, index)))
    weights = backbone.modality_weights.detach().double()
    joint = sum(w * kept_m for w, kept_m in zip(weights, kept, strict=True)).sum(1)
    own = backbone.learner.norm == "per_modality"
    return [
        (1 - backbone.mix) * normalised(kept_m, kept_m.sum(1) if own else joint)
        + backbone.mix * normalised(raw_m, raw_m.sum(1))
        for kept_m, raw_m in zip(kept, raw, strict=True)
    ]


def normalised(kept: Tensor, degree: Tensor) -> Tensor:
    scale = torch.where(degree > 0, degree.clamp(min=1e-12).rsqrt(), torch.zeros_like(degree))
    return scale.unsqueeze(1) * kept * scale


DISTINCT = {"duplicate_rows": False, "zero_row": False}  # without ties, which topk orders at will


@pytest.mark.parametrize("learned_norm", ["joint", "per_modality"])
@pytest.mark.parametrize("mix", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("modalities", [("image",), ("image", "text"), ("image", "text", "audio")])
def test_item_graphs_equal_the_dense_recipe(
    learned_norm: str, mix: float, modalities: tuple[str, ...]
) -> None:
    data = tiny_data(modalities=modalities, **DISTINCT)
    backbone = made(data, mix=mix, learned_norm=learned_norm)
    expected = dense_item_graphs(backbone, data)
    for one, other in zip(item_graphs(backbone, data), expected, strict=True):
        torch.testing.assert_close(one, other.float(), atol=1e-5, rtol=1e-4)


def test_the_learned_graph_of_an_identity_projection_is_the_raw_graph() -> None:
    data = image_only(torch.randn(20, 6, generator=torch.Generator().manual_seed(1)))
    backbone = made(data, mix=0.0, embedding_dim=6)
    with torch.no_grad():
        backbone.project["image"].linear.weight.copy_(torch.eye(6))
        backbone.project["image"].linear.bias.zero_()
    (a,) = item_graphs(backbone, data)
    torch.testing.assert_close(a, graph.item_graph(backbone.prepare(data), "image").dense())


@pytest.mark.parametrize("mix", [0.0, 1.0])
def test_hand_computed_item_graph(mix: float) -> None:
    data = image_only(HAND)
    backbone = made(data, mix=mix, k=2, embedding_dim=2)
    with torch.no_grad():
        backbone.project["image"].linear.weight.copy_(torch.eye(2))
        backbone.project["image"].linear.bias.zero_()
    (a,) = item_graphs(backbone, data)
    expected = [[0.5012, 0.4988, 0.0], [0.4988, 0.5012, 0.0], [0.0, 0.0672, 0.9095]]
    torch.testing.assert_close(a, torch.tensor(expected), atol=5e-5, rtol=0)
    torch.testing.assert_close(a.sum(1), torch.tensor([1.0, 1.0, 0.9767]), atol=5e-5, rtol=0)


def weighted(backbone: LATTICE, rows: Rows) -> Tensor:
    parts = zip(backbone.modality_weights, backbone.modalities, strict=True)
    return torch.stack([w * rows[m] for w, m in parts]).sum(0)


@pytest.mark.parametrize("num_item_layers", [1, 2, 3])
@pytest.mark.parametrize("training", [False, True])
def test_the_weighted_sum_of_the_embeddings_is_the_propagated_table(
    num_item_layers: int, training: bool
) -> None:
    data = tiny_data(**DISTINCT)
    backbone = made(data, num_item_layers=num_item_layers, mix=0.5)
    ready = backbone.prepare(data)
    weights = backbone.modality_weights.detach().double()
    a = sum(w * a_m for w, a_m in zip(weights, dense_item_graphs(backbone, data), strict=True))
    expected = torch.linalg.matrix_power(a, num_item_layers) @ backbone.item.weight.double()
    backbone.train(training)
    first = weighted(backbone, backbone.encode(ready)["item"])  # the learning step, if training
    later = weighted(backbone, backbone.encode(ready)["item"])  # from the constant operators
    for h in (first, later):
        torch.testing.assert_close(h.double(), expected, atol=1e-6, rtol=1e-5)


def test_the_weighted_sum_of_the_embeddings_is_exact_in_float64() -> None:
    data = tiny_data(**DISTINCT)
    for m in graph.modalities(data):
        data[m].x = data[m].x.double()
    backbone = made(data, mix=0.0).double()  # the raw graph is kept in float32
    ready = backbone.prepare(data)
    for m in backbone.modalities:
        name = f"item_{m}_cos_sym"
        graph.set_operator(ready, name, graph.operator(ready, name).to(torch.float64))
    graph.set_operator(
        ready, "user_item_row_self", graph.user_item_graph(ready, "row_self").to(torch.float64)
    )
    a = sum(
        w * a_m
        for w, a_m in zip(backbone.modality_weights, dense_item_graphs(backbone, data), strict=True)
    )
    backbone.prepare_epoch(ready, torch.Generator())
    h = weighted(backbone, backbone.encode(ready)["item"])
    torch.testing.assert_close(h, a @ backbone.item.weight, atol=1e-14, rtol=0)


def test_only_the_raw_graph_at_mix_one_and_no_gradient_to_the_projection() -> None:
    data = tiny_data()
    backbone = made(data, mix=1.0)
    ready = backbone.prepare(data)
    for m, a in zip(backbone.modalities, item_graphs(backbone, data), strict=True):
        torch.testing.assert_close(a, graph.item_graph(ready, m).dense())
    backbone.train().prepare_epoch(ready, torch.Generator())
    Recommender(backbone).loss(ready, BATCH)["ranking"].backward()
    assert all(p.grad is None for p in backbone.project.parameters())


def test_the_graph_follows_the_weights_and_the_features() -> None:
    """The fused optimizer does not count its changes in ``Tensor._version``."""
    data = tiny_data(**DISTINCT)
    backbone = made(data, mix=0.0)
    recommender, ready = Recommender(backbone), backbone.prepare(data)
    optimizer = torch.optim.Adam(recommender.parameters(), lr=0.5, fused=True)
    for _ in range(4):
        recommender.train().prepare_epoch(ready, 0, torch.Generator())
        optimizer.zero_grad()
        recommender.loss(ready, BATCH)["ranking"].backward()
        optimizer.step()
    changed = copy.copy(data)
    changed["image"].x = data["image"].x.flip(0)
    for each in (data, changed):
        expected = dense_item_graphs(backbone, each)
        for one, other in zip(item_graphs(backbone, each), expected, strict=True):
            torch.testing.assert_close(one, other.float(), atol=1e-5, rtol=1e-4)
