"""When LATTICE learns its graph, and when it only uses it."""

import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import LATTICE
from mrdib_graph.backbones.lattice import WEIGHTS
from mrdib_graph.loader import TripletLoader
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import tiny_data
from mrdib_graph.typing import Triplets

BATCH = Triplets(torch.tensor([0, 1, 2]), torch.tensor([3, 3, 5]), torch.tensor([[6], [7], [8]]))


def made(data: HeteroData, **options) -> LATTICE:
    torch.manual_seed(0)
    backbone = LATTICE.from_data(data, **{"embedding_dim": 8, "k": 4, **options})
    torch.nn.init.normal_(backbone.alpha)
    return backbone


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
            assert not any(steps.step())


def test_later_batches_weigh_the_modalities_as_the_first_did() -> None:
    data = tiny_data()
    steps = Steps(made(data, num_item_layers=2), data)
    backbone = steps.recommender.backbone
    before = backbone.modality_weights.detach().clone()
    steps.begin_epoch()
    steps.step()
    after = backbone.modality_weights.detach()
    assert not torch.equal(before, after)
    for weights, training in ((before, True), (after, False)):
        rows = backbone.train(training).encode(steps.data)["item"]
        h = sum(w * rows[m] for w, m in zip(weights, backbone.modalities, strict=True))
        content = backbone.fuse(rows, "item").views["content"]
        torch.testing.assert_close(content, torch.nn.functional.normalize(h, dim=1))


def test_fuse_reads_its_rows_and_not_what_was_encoded_last() -> None:
    data = tiny_data()
    steps = Steps(made(data), data)
    backbone = steps.recommender.backbone
    steps.begin_epoch()
    steps.step()
    later = backbone.train().encode(steps.data)["item"]
    assert WEIGHTS in later and not later[WEIGHTS].requires_grad
    out = backbone.fuse(later, "item").out
    rows = backbone.eval().encode(steps.data)["item"]
    assert WEIGHTS not in rows
    assert torch.equal(backbone.train().fuse(later, "item").out, out)
    now = backbone.fuse(rows, "item").out
    assert torch.equal(now, backbone.eval().fuse(rows, "item").out)


@pytest.mark.parametrize("mix", [0.9, 1.0])
def test_the_weights_learn_without_a_learned_graph_too(mix: float) -> None:
    steps = Steps(made(tiny_data(), mix=mix), tiny_data())
    steps.begin_epoch()
    assert steps.step()[-1] and not steps.step()[-1]


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


def test_loaded_weights_are_not_scored_with_the_old_graph() -> None:
    data = tiny_data()
    one, two = made(data), made(data)
    for p in two.parameters():
        torch.nn.init.normal_(p)
    expected = Recommender(two).tables(data)
    Recommender(one).tables(data)
    one.load_state_dict(two.state_dict())
    assert all(map(torch.equal, Recommender(one).tables(data), expected))


def drift(num_steps: int, set_to_none: bool, epochs: int = 40) -> float:
    """Distance per epoch in units of lr, for a constant gradient in the first of n steps."""
    lr = 1e-3
    weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.Adam([weight], lr=lr, fused=True)
    for _ in range(epochs):
        before = float(weight.detach())
        for step in range(num_steps):
            optimizer.zero_grad(set_to_none=set_to_none)
            if step == 0:
                weight.grad = torch.ones_like(weight)
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


def test_trained_features_move_and_the_raw_graph_stays() -> None:
    data = tiny_data()
    torch.manual_seed(0)
    backbone = LATTICE.from_data(data, embedding_dim=8, train_features=True)
    prepared = backbone.prepare(data)
    raw = graph.item_graph(prepared, "image", "cos_sym").value.clone()
    recommender = Recommender(backbone).train()
    recommender.prepare_epoch(prepared, 0, torch.Generator())
    batch = next(iter(TripletLoader(prepared, 64, generator=torch.Generator())))
    torch.autograd.backward(recommender.loss(prepared, batch)["ranking"])
    for m in ("image", "text"):
        delta = backbone.project[m].delta
        assert delta is not None and delta.shape == (40, backbone.in_channels[m])
        assert delta.grad is not None and bool(delta.grad.any())
    assert torch.equal(graph.item_graph(prepared, "image", "cos_sym").value, raw)
    frozen = LATTICE.from_data(data, embedding_dim=8)
    assert all(frozen.project[m].delta is None for m in ("image", "text"))
