import copy

import pytest
import torch

from mrdib_graph import backbones, resolver
from mrdib_graph.backbones import Backbone
from mrdib_graph.evaluation import Evaluator
from mrdib_graph.testing.backbone_run import BackboneRun
from mrdib_graph.testing.tiny_data import tiny_data
from mrdib_graph.training import Callback, Trainer, TrainerConfig
from mrdib_graph.training.average import Average

QUICK = TrainerConfig(epochs=4, batch_size=32, learning_rate=0.05, monitor="recall@5", device="cpu")
BACKBONES = sorted(resolver.choices(backbones, Backbone).items())


class Weights(Callback):
    """The trained weights after every step, and the scored ones after every epoch."""

    def __init__(self):
        self.steps, self.epochs, self.scored = [], [], []

    def on_step_end(self, epoch, step, terms, recommender):
        del step, terms
        self.steps.append((epoch, values(recommender)))

    def on_epoch_end(self, epoch, metrics, recommender):
        del epoch, metrics
        self.epochs.append(self.steps[-1][1])
        self.scored.append(values(recommender))


def values(recommender):
    return {name: p.detach().clone() for name, p in recommender.named_parameters()}


def fit(recommender, data, evaluator=None, **options):
    seen = Weights()
    trainer = Trainer(QUICK, evaluator, quiet=True, callbacks=[seen], **options)
    return trainer.fit(recommender, data), seen


def assert_close(found, expected):
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6, msg=name)


def test_ema_is_the_slow_loop(tiny, make_recommender):
    _, seen = fit(make_recommender(tiny), tiny, average="ema", ema_decay=0.9, average_after=1)
    mean, after_epoch = None, {}
    for epoch, weights in seen.steps:
        if epoch >= 1:
            mean = (
                {name: 0.9 * mean[name] + 0.1 * value for name, value in weights.items()}
                if mean
                else weights
            )
        after_epoch[epoch] = mean or weights
    for epoch in range(4):
        assert_close(seen.scored[epoch], after_epoch[epoch])
    assert not torch.equal(seen.scored[3]["backbone.item.weight"],
                           seen.epochs[3]["backbone.item.weight"])  # fmt: skip


def test_swa_is_the_mean_of_the_weights_after_epochs(tiny, make_recommender):
    _, seen = fit(make_recommender(tiny), tiny, average="swa", average_after=1)
    for epoch in range(4):
        taken = seen.epochs[1 : epoch + 1] or [seen.epochs[0]]
        mean = {name: torch.stack([w[name] for w in taken]).mean(0) for name in taken[0]}
        assert_close(seen.scored[epoch], mean)


@pytest.mark.parametrize("average", ["ema", "swa"])
def test_training_goes_on_with_the_weights_themselves(tiny, make_recommender, average):
    plain, raw = fit(make_recommender(tiny, "lattice", "mine"), tiny)
    averaged, seen = fit(make_recommender(tiny, "lattice", "mine"), tiny, average=average)
    for one, other in zip(raw.steps, seen.steps, strict=True):
        assert all(torch.equal(value, other[1][name]) for name, value in one[1].items())
    assert [m["train/loss"] for m in plain.history] == [m["train/loss"] for m in averaged.history]


@pytest.mark.parametrize("average", ["ema", "swa"])
def test_the_mean_is_evaluated_and_kept(tiny, make_recommender, average):
    recommender, evaluator = make_recommender(tiny), Evaluator(tiny)
    result, seen = fit(recommender, tiny, evaluator, average=average, ema_decay=0.8)
    assert all(
        torch.equal(value, seen.scored[result.best_epoch][name])
        for name, value in values(recommender).items()
    )
    other = copy.deepcopy(recommender)
    for epoch, metrics in enumerate(result.history):
        other.load_state_dict(seen.scored[epoch], strict=False)
        found = evaluator(*other.tables(tiny), "val").mean["recall@5"]
        assert metrics["val/recall@5"] == found
    assert result.test == evaluator(*recommender.tables(tiny), "test").mean


@pytest.mark.parametrize(("name", "cls"), BACKBONES, ids=[name for name, _ in BACKBONES])
def test_every_backbone_has_averaged_tables_of_parameters_and_copied_buffers_alone(name, cls):
    """What it keeps beside its parameters, such as a learned graph, does not go stale in the mean.

    The tables of the mean are those of a fresh recommender with its parameters; nothing that the
    training reads changes.
    """
    del name
    data, config = tiny_data(), TrainerConfig(average="ema", ema_decay=0.5)
    run, alone, fresh = (BackboneRun(cls, data, {}, seed=s) for s in (0, 0, 9))
    average, mean = Average(run.recommender, config), None
    for _ in range(2):
        run.begin_epoch()
        alone.begin_epoch()
        for batch in run.batches[:3]:
            assert run.steps([batch]) == alone.steps([batch])
            average.end_step(run.recommender, 0)
            now = values(run.recommender)
            mean = now if mean is None else {n: (mean[n] + v) / 2 for n, v in now.items()}
            tables = average.recommender.tables(run.data)
            fresh.recommender.load_state_dict(average.recommender.state_dict())
            assert all(map(torch.equal, tables, fresh.recommender.tables(fresh.data)))
    assert_close(values(average.recommender), mean)
    buffers = dict(run.recommender.named_buffers())
    for key, value in average.recommender.named_buffers():
        assert torch.equal(value, buffers[key]), key
