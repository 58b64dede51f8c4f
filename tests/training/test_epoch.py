import math

import pytest
import torch

from mrdib_graph.errors import TrainingError
from mrdib_graph.loader import TripletLoader
from mrdib_graph.training import TrainerConfig
from mrdib_graph.training.epoch import run_epoch
from mrdib_graph.training.interrupt import Interrupt
from mrdib_graph.training.state import TrainingState


class Run:
    """A training state on its graph, epoch by epoch."""

    def __init__(self, state, data):
        self.state = state
        self.data = data
        self.loader = state.loader

    def run(self, interrupt):
        return run_epoch(self.state, self.data, interrupt)


def runner(recommender, data, **options):
    config = TrainerConfig(batch_size=32, **options)
    data = recommender.backbone.prepare(data)
    generator = torch.Generator().manual_seed(config.seed)
    loader = TripletLoader(data, 32, config.num_negatives, generator)
    state = TrainingState(recommender, loader, config)
    return Run(state, data)


def by_hand(recommender, data, epochs, lr, decay=1.0, weight_decay=0.0, zeros=False):
    """The loop on one screen; losses of every step."""
    data = recommender.backbone.prepare(data)
    loader = TripletLoader(data, 32, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(recommender.parameters(), lr=lr, weight_decay=weight_decay)
    noise = torch.Generator().manual_seed(1)
    losses = []
    for epoch in range(epochs):
        optimizer.param_groups[0]["lr"] = lr * decay ** (epoch / 50)
        recommender.prepare_epoch(data, epoch, noise)
        for batch in loader:
            loss = recommender.total(recommender.loss(data, batch, noise))
            optimizer.zero_grad(set_to_none=not zeros)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


@pytest.mark.parametrize(
    ("backbone", "arm", "options"),
    [
        ("lightgcn", "bare", {"lr_decay": 0.01}),
        ("vbpr", "mine", {"weight_decay": 0.02}),
        ("lattice", "gaussian", {}),
        ("lattice", "bare", {"zero_grad": "zeros"}),
    ],
)
def test_epochs_equal_a_plain_loop(tiny, make_recommender, backbone, arm, options):
    trained = make_recommender(tiny, backbone, arm)
    run = runner(trained, tiny, learning_rate=0.01, **options)
    with Interrupt() as interrupt:
        history = [run.run(interrupt) for _ in range(3)]
    plain = make_recommender(tiny, backbone, arm)
    decay, weight_decay = options.get("lr_decay", 1.0), options.get("weight_decay", 0.0)
    losses = by_hand(plain, tiny, 3, 0.01, decay, weight_decay, "zero_grad" in options)
    for (name, value), expected in zip(trained.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-3, atol=1e-5, msg=name)
    steps = len(run.loader)
    for epoch, metrics in enumerate(history):
        mean = sum(losses[epoch * steps : (epoch + 1) * steps]) / steps
        assert metrics["train/loss"] == pytest.approx(mean, rel=1e-4)
        assert metrics["train/learning_rate"] == pytest.approx(0.01 * decay ** (epoch / 50))
    assert run.state.epoch == 3 and run.state.step == 0


def test_every_term_is_reported_as_its_mean(tiny, make_recommender):
    run = runner(make_recommender(tiny, "vbpr", "mine"), tiny)
    seen = []
    end_step = run.state.end_step
    run.state.end_step = lambda terms: (seen.append(terms), end_step(terms))
    with Interrupt() as interrupt:
        metrics = run.run(interrupt)
    for name in ("loss", "ranking", "reg_fused", "kl", "redundancy", "unique", "estimator"):
        mean = sum(terms[name].item() for terms in seen) / len(seen)
        assert metrics[f"train/{name}"] == pytest.approx(mean)
    assert len(seen) == len(run.loader) > 3
    assert metrics["train/seconds"] > 0 and metrics["train/memory_mb"] > 10


def test_zeros_keep_a_parameter_moving_on_its_momentum(tiny, make_recommender):
    """LATTICE's maps have a gradient in the first step of an epoch only."""
    moved = {}
    for mode in ("none", "zeros"):
        recommender = make_recommender(tiny, "lattice")
        run = runner(recommender, tiny, learning_rate=0.01, zero_grad=mode)
        weight = recommender.backbone.project["image"].linear.weight
        seen = [weight.detach().clone()]
        end_step = run.state.end_step
        run.state.end_step = lambda terms, end=end_step, seen=seen, weight=weight: (
            seen.append(weight.detach().clone()),
            end(terms),
        )
        with Interrupt() as interrupt:
            run.run(interrupt)
        moved[mode] = [not torch.equal(a, b) for a, b in zip(seen, seen[1:], strict=False)]
    assert moved["none"] == [True] + [False] * (len(moved["none"]) - 1)
    assert all(moved["zeros"]) and len(moved["zeros"]) > 3


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_term_that_is_not_finite_is_named_with_epoch_and_step(
    tiny, make_recommender, monkeypatch, value
):
    recommender = make_recommender(tiny, "vbpr", "gaussian")
    run = runner(recommender, tiny)
    steps, forward = len(run.loader), recommender.mrdib.forward
    calls = []

    def poisoned(*args, **kwargs):
        terms = forward(*args, **kwargs)
        calls.append(terms)
        return {**terms, "unique": terms["unique"] * value} if len(calls) == steps + 3 else terms

    monkeypatch.setattr(recommender.mrdib, "forward", poisoned)
    with Interrupt() as interrupt:
        run.run(interrupt)
        before = {name: p.detach().clone() for name, p in recommender.named_parameters()}
        with pytest.raises(TrainingError, match=r"epoch 1, step 2: term unique \(ranking 0\.") as e:
            run.run(interrupt)
    assert f"unique {value}" in str(e.value)
    assert all(torch.isfinite(p).all() for p in recommender.parameters())
    assert any(not torch.equal(p, before[name]) for name, p in recommender.named_parameters())


def test_an_interrupt_ends_the_epoch_between_two_steps(tiny, make_recommender):
    run = runner(make_recommender(tiny), tiny)
    with Interrupt() as interrupt:
        interrupt.requested = True
        run.run(interrupt)
        assert (run.state.epoch, run.state.step) == (0, 1)
        interrupt.requested = False
        run.run(interrupt)
    assert (run.state.epoch, run.state.step) == (1, 0)
