"""LATTICE against its dense equations and the hand-computed cases."""

import copy

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import LATTICE
from mrdib_graph.errors import ConfigError
from mrdib_graph.losses import l2_half
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
    rows = backbone._propagate(backbone.prepare(data), eye)
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


def weighted(backbone: LATTICE, rows: Rows) -> Tensor:
    parts = zip(backbone.modality_weights, backbone.modalities, strict=True)
    return torch.stack([w * rows[m] for w, m in parts]).sum(0)


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


def test_only_the_raw_graph_at_mix_one_and_no_gradient_to_the_projection() -> None:
    data = tiny_data()
    backbone = made(data, mix=1.0)
    ready = backbone.prepare(data)
    for m, a in zip(backbone.modalities, item_graphs(backbone, data), strict=True):
        torch.testing.assert_close(a, graph.item_graph(ready, m).dense())
    backbone.train().prepare_epoch(ready, torch.Generator())
    Recommender(backbone).loss(ready, BATCH)["ranking"].backward()
    assert all(p.grad is None for p in backbone.project.parameters())


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


def test_hand_computed_user_item_propagation(two_by_two: HeteroData) -> None:
    backbone = made(two_by_two, embedding_dim=1)
    with torch.no_grad():
        backbone.user.weight.copy_(torch.tensor([[1.0], [2.0]]))
        backbone.item.weight.copy_(torch.tensor([[3.0], [4.0]]))
    ready = backbone.prepare(two_by_two)
    sums = graph.user_item_graph(ready, "row_self").row_sum()
    torch.testing.assert_close(sums, torch.ones(4))
    tables = backbone.encode(ready)
    ids = torch.cat([tables["user"]["id"], tables["item"]["id"]]).squeeze(1).detach()
    torch.testing.assert_close(ids, torch.tensor([2.0, 2.5556, 2.4444, 3.0]), atol=5e-5, rtol=0)


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


def test_score_is_the_formula() -> None:
    data = tiny_data()
    backbone = made(data).eval()
    user, item = Recommender(backbone).tables(data)
    rows = backbone.encode(backbone.prepare(data))
    assert torch.equal(user, rows["user"]["id"])
    h = weighted(backbone, rows["item"])
    expected = rows["item"]["id"] + torch.nn.functional.normalize(h, dim=1)
    torch.testing.assert_close(item, expected.detach())
    added = item - rows["item"]["id"].detach()
    torch.testing.assert_close(added.norm(dim=1), torch.ones(40))


def test_the_user_table_does_not_depend_on_the_features() -> None:
    data, other = tiny_data(), tiny_data()
    other["image"].x = other["image"].x.flip(0) + 1
    backbone = made(data)
    one, two = Recommender(backbone).tables(data), Recommender(backbone).tables(other)
    assert torch.equal(one[0], two[0]) and not torch.allclose(one[1], two[1])


def test_matrix_factorisation_below() -> None:
    data = tiny_data()
    backbone = made(data, cf_model="mf")
    rows = backbone.encode(backbone.prepare(data))
    assert torch.equal(rows["user"]["id"], backbone.user.weight)
    assert torch.equal(rows["item"]["id"], backbone.item.weight)


def test_symmetric_user_item_graph() -> None:
    data = tiny_data()
    backbone = made(data, ui_norm="sym")
    s = graph.user_item_graph(backbone.prepare(data), "sym").dense()
    x = torch.cat([backbone.user.weight, backbone.item.weight])
    expected = (x + s @ x + s @ s @ x) / 3
    rows = backbone.encode(backbone.prepare(data))
    torch.testing.assert_close(rows["user"]["id"], expected[:30])


class Steps:
    """A recommender in training that remembers which parameters got a gradient."""

    def __init__(self, backbone: LATTICE, data: HeteroData, set_to_none: bool = True) -> None:
        self.recommender = Recommender(backbone).train()
        self.data = backbone.prepare(data)
        self.optimizer = torch.optim.Adam(self.recommender.parameters(), lr=0.01, fused=True)
        self.set_to_none = set_to_none

    def begin_epoch(self) -> None:
        self.recommender.prepare_epoch(self.data, 0, torch.Generator())

    def step(self) -> list[bool]:
        """One step; which of projections and alpha have a gradient."""
        backbone = self.recommender.backbone
        self.optimizer.zero_grad(set_to_none=self.set_to_none)
        self.recommender.loss(self.data, BATCH)["ranking"].backward()
        self.optimizer.step()
        learned = [*backbone.project.parameters(), backbone.alpha]
        return [p.grad is not None and bool(p.grad.any()) for p in learned]


def test_only_the_first_batch_of_an_epoch_reaches_the_projection() -> None:
    steps = Steps(made(tiny_data()), tiny_data())
    for _ in range(2):
        steps.begin_epoch()
        assert all(steps.step())
        for _ in range(3):
            got = steps.step()
            assert not any(got[:-1])  # alpha still weighs the constant embeddings
            assert got[-1]


def test_later_batches_use_the_graph_of_the_first() -> None:
    data = tiny_data()
    steps = Steps(made(data, mix=0.2), data)
    backbone = steps.recommender.backbone
    steps.begin_epoch()
    steps.step()
    values = backbone.neighbor_value.clone()
    steps.step()
    steps.recommender.tables(data)
    steps.step()
    assert torch.equal(backbone.neighbor_value, values)
    steps.begin_epoch()
    steps.step()
    assert not torch.equal(backbone.neighbor_value, values)


def count_searches(backbone: LATTICE, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    calls: list[int] = []
    search = backbone.learner.search

    def counted(*args):
        calls.append(1)
        return search(*args)

    monkeypatch.setattr(backbone.learner, "search", counted)
    return calls


def test_one_search_serves_an_evaluation_and_the_next_epoch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = Steps(made(tiny_data()), tiny_data())
    calls = count_searches(steps.recommender.backbone, monkeypatch)
    steps.begin_epoch()
    steps.step()
    assert len(calls) == 1
    for _ in range(3):
        steps.step()
    assert len(calls) == 1
    for epoch in range(3):
        for _ in range(2):  # validation, and test of the same weights
            steps.recommender.tables(steps.data)
        assert len(calls) == 2 + epoch
        steps.begin_epoch()
        steps.step()
        assert len(calls) == 2 + epoch


def test_the_graph_follows_the_weights_and_the_features() -> None:
    """The fused optimizer does not count its changes in ``Tensor._version``."""
    data = tiny_data(**DISTINCT)
    backbone = made(data, mix=0.0)
    steps = Steps(backbone, data)
    for group in steps.optimizer.param_groups:
        group["lr"] = 0.5
    for _ in range(4):
        steps.begin_epoch()
        steps.step()
    changed = copy.copy(data)
    changed["image"].x = data["image"].x.flip(0)
    for each in (data, changed):
        expected = dense_item_graphs(backbone, each)
        for one, other in zip(item_graphs(backbone, each), expected, strict=True):
            torch.testing.assert_close(one, other.float(), atol=1e-5, rtol=1e-4)


def test_loaded_weights_are_not_scored_with_the_old_graph() -> None:
    data = tiny_data()
    one, two = made(data), made(data)
    for p in two.parameters():
        torch.nn.init.normal_(p)
    expected = Recommender(two).tables(data)
    Recommender(one).tables(data)
    one.load_state_dict(two.state_dict())
    assert all(map(torch.equal, Recommender(one).tables(data), expected))


def test_user_vectors_are_read_by_the_modality_score_only() -> None:
    data = tiny_data()
    backbone, fused = made(data, user_side="vector"), made(data)
    rows = backbone.encode(backbone.prepare(data))
    for m in backbone.modalities:
        assert torch.equal(backbone.modality_user(m, rows["user"]), backbone.user_vectors[m].weight)
    state = {n: v for n, v in backbone.state_dict().items() if "user_vectors" not in n}
    fused.load_state_dict(state)
    rows = fused.encode(fused.prepare(data))
    assert torch.equal(fused.modality_user("image", rows["user"]), rows["user"]["id"])
    tables = [Recommender(b).tables(data) for b in (backbone, fused)]
    assert all(map(torch.equal, *tables))


def test_regulariser_reads_the_fused_rows() -> None:
    data = tiny_data()
    backbone = made(data, reg=0.1)
    user, item = Recommender(backbone).tables(data)
    terms = Recommender(backbone).loss(backbone.prepare(data), BATCH)
    items = torch.cat([BATCH.pos_item, BATCH.neg_item.flatten()])
    torch.testing.assert_close(terms["reg"].detach(), l2_half(user[BATCH.user], item[items]))
    assert "reg" not in Recommender(made(data)).loss(backbone.prepare(data), BATCH)


def drift(num_steps: int, set_to_none: bool, epochs: int = 40) -> float:
    """Distance per epoch in units of lr, for a constant gradient in the first of n steps."""
    lr = 1e-3
    weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.Adam([weight], lr=lr, fused=True)
    for epoch in range(epochs):
        before = float(weight.detach())
        for step in range(num_steps):
            optimizer.zero_grad(set_to_none=set_to_none)
            if step == 0:
                weight.grad = torch.ones_like(weight)
            if epoch or step or weight.grad is not None:
                optimizer.step()
    return abs(float(weight.detach()) - before) / lr


@pytest.mark.parametrize(("num_steps", "expected"), [(58, 7.5), (107, 10.1), (97, 9.7)])
def test_zeroed_gradients_keep_moving_on_momentum(num_steps: int, expected: float) -> None:
    assert drift(num_steps, set_to_none=False) == pytest.approx(expected, abs=0.1)
    assert drift(num_steps, set_to_none=True) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("set_to_none", [True, False])
def test_the_projection_moves_in_later_batches_where_gradients_are_zeroed(
    set_to_none: bool,
) -> None:
    steps = Steps(made(tiny_data()), tiny_data(), set_to_none)
    steps.begin_epoch()
    steps.step()
    weight = steps.recommender.backbone.project["image"].linear.weight
    before = weight.detach().clone()
    steps.step()
    assert torch.equal(weight, before) == set_to_none


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mix": 1.5}, "mix: got 1.5, expected 0 to 1"),
        ({"num_item_layers": 0}, "num_item_layers: got 0, expected 1 or more"),
        ({"user_side": "mean"}, "user_side: got 'mean', expected fused or vector"),
        ({"cf_model": "ngcf"}, "cf_model: got 'ngcf', expected lightgcn or mf"),
        ({"learned_norm": "both"}, "learned_norm: got 'both'"),
        ({"ui_norm": "row"}, "ui_norm: got 'row', expected row_self or sym"),
        ({"k": 0}, "k: got 0, expected 1 or more"),
    ],
)
def test_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LATTICE.from_data(tiny_data(), **options)


def test_needs_a_modality() -> None:
    with pytest.raises(ConfigError, match="no modality"):
        LATTICE(3, 4, {})
