import pytest
import torch

from mrdib_graph import training
from mrdib_graph.baselines import Popularity
from mrdib_graph.errors import CheckpointError, ConfigError, TrainingError
from mrdib_graph.evaluation import Evaluator, EvaluatorConfig
from mrdib_graph.loader import TripletLoader
from mrdib_graph.tracking import Tracker
from mrdib_graph.training import Callback, FitResult, Interrupted, Trainer, TrainerConfig
from mrdib_graph.training import checkpoint as checkpoints

QUICK = TrainerConfig(epochs=4, batch_size=32, learning_rate=0.01, monitor="recall@5", device="cpu")


class Scripted(Evaluator):
    """An evaluator whose validation metric follows a script; it remembers which splits it saw."""

    def __init__(self, data, values):
        super().__init__(data)
        self.values = list(values)
        self.splits = []

    def __call__(self, user_table, item_table, split="test", user_ids=None):
        self.splits.append(split)
        result = super().__call__(user_table, item_table, split, user_ids)
        if split != "val":
            return result
        value = self.values[self.splits.count("val") - 1]
        return result._replace(mean={**result.mean, "recall@5": value})


class Recording(Tracker):
    def __init__(self):
        self.metrics = []

    def log_metrics(self, metrics, step=None):
        self.metrics.append((step, dict(metrics)))


def fit(recommender, data, evaluator=None, tracker=None, **options):
    run = {k: options.pop(k) for k in list(options) if k in ("checkpoint", "resume")}
    trainer = Trainer(QUICK, evaluator, tracker, quiet=True, **options)
    return trainer.fit(recommender, data, **run)


def weights(recommender):
    return {name: value.clone() for name, value in recommender.state_dict().items()}


# ------------------------------------------------------------------------- stopping


def test_patience_counts_evaluations_without_improvement(tiny, make_recommender):
    script = [0.1, 0.3, 0.2, 0.3, 0.1, 0.9]
    evaluator = Scripted(tiny, script)
    result = fit(make_recommender(tiny), tiny, evaluator, epochs=50, patience=2)
    assert (result.best_epoch, result.epochs) == (1, 5)  # the third one after the best stops it
    assert result.val["recall@5"] == 0.3
    assert len(result.history) == 5
    assert evaluator.splits == ["val"] * 5 + ["test"], "test must be scored once, at the end"


def test_patience_of_zero_stops_at_the_first_that_is_not_better(tiny, make_recommender):
    evaluator = Scripted(tiny, [0.1, 0.2, 0.2, 0.9])
    result = fit(make_recommender(tiny), tiny, evaluator, epochs=50, patience=0)
    assert (result.best_epoch, result.epochs) == (1, 3)


def test_evaluations_are_eval_every_epochs_apart_and_after_the_last(tiny, make_recommender):
    evaluator = Scripted(tiny, [0.1, 0.5, 0.3])
    result = fit(make_recommender(tiny), tiny, evaluator, epochs=5, eval_every=2)
    evaluated = [epoch for epoch, m in enumerate(result.history) if "val/recall@5" in m]
    assert evaluated == [1, 3, 4]
    assert result.best_epoch == 3
    assert len(result.history) == 5 and all("train/loss" in m for m in result.history)


def test_the_weights_of_the_best_epoch_are_loaded_and_tested(tiny, make_recommender):
    recommender = make_recommender(tiny)
    seen = []

    class Seeing(Callback):
        def on_epoch_end(self, epoch, metrics, recommender):
            seen.append(weights(recommender))
            return {"extra/epoch": float(epoch)}

    script = [0.1, 0.4, 0.9, 0.2, 0.3, 0.5]
    result = fit(recommender, tiny, Scripted(tiny, script), epochs=6, callbacks=[Seeing])
    assert result.best_epoch == 2
    after = weights(recommender)
    assert all(torch.equal(after[name], seen[2][name]) for name in after)
    assert not torch.equal(after["backbone.item.weight"], seen[5]["backbone.item.weight"])
    expected = Evaluator(tiny)(*recommender.tables(tiny), "test")
    assert result.test == expected.mean
    assert torch.equal(result.test_result.ranks, expected.ranks)
    assert [m["extra/epoch"] for m in result.history] == [0, 1, 2, 3, 4, 5]


def test_learning_rate_follows_the_schedule(tiny, make_recommender):
    result = fit(make_recommender(tiny), tiny, epochs=4, learning_rate=0.02, lr_decay=0.5)
    rates = [m["train/learning_rate"] for m in result.history]
    assert rates == pytest.approx([0.02 * 0.5 ** (epoch / 50) for epoch in range(4)])


# --------------------------------------------------------------------------- result


def test_result_tells_what_was_run(tiny, make_recommender):
    result = fit(make_recommender(tiny), tiny)
    assert isinstance(result, FitResult)
    assert result.epochs == len(result.history) == 4
    seconds = sorted(m["train/seconds"] for m in result.history)
    assert result.seconds_per_epoch == seconds[2]
    assert result.peak_memory_mb == max(m["train/memory_mb"] for m in result.history)
    best = result.history[result.best_epoch]
    assert all(best[f"val/{name}"] == value for name, value in result.val.items())
    assert max(m["val/recall@5"] for m in result.history) == result.val["recall@5"]


def test_result_and_trainer_are_short_to_read(tiny, make_recommender):
    result = fit(make_recommender(tiny), tiny)
    val, test = result.val["recall@20"], result.test["recall@20"]
    assert repr(result) == (
        f"FitResult(epoch {result.best_epoch + 1} of 4, recall@20 {val:.4f} on validation, "
        f"{test:.4f} on test)"
    )
    table = result._repr_html_()
    assert table.count("<tr>") == 1 + len(result.val)
    assert f"<tr><td>recall@20</td><td>{val:.4f}</td><td>{test:.4f}</td></tr>" in table
    assert repr(result._replace(val={"mrr": 0.5}, test={"mrr": 0.25})).endswith(
        ", mrr 0.5000 on validation, 0.2500 on test)"
    )
    assert repr(Trainer()) == "Trainer()"
    assert repr(Trainer(epochs=5, monitor="ndcg@10")) == "Trainer(epochs=5, monitor='ndcg@10')"


def test_tracker_is_told_once_per_epoch(tiny, make_recommender):
    tracker = Recording()
    result = fit(make_recommender(tiny, "vbpr", "mine"), tiny, tracker=tracker)
    assert [step for step, _ in tracker.metrics] == [0, 1, 2, 3]
    assert [metrics for _, metrics in tracker.metrics] == result.history
    names = set(tracker.metrics[0][1])
    assert {"train/loss", "train/kl", "train/redundancy", "train/unique", "val/ndcg@10"} <= names


def test_default_loader_has_the_sizes_of_the_config(tiny, make_recommender, monkeypatch):
    made = []

    class Seen(TripletLoader):
        def __init__(self, data, batch_size, negatives):
            super().__init__(data, batch_size, negatives=negatives)
            made.append((batch_size, negatives.num_negatives))

    monkeypatch.setattr("mrdib_graph.training.trainer.TripletLoader", Seen)
    fit(make_recommender(tiny), tiny, batch_size=50, num_negatives=3, epochs=1)
    assert made == [(50, 3)]


def test_the_given_graph_is_not_changed(tiny, make_recommender):
    types, keys = list(tiny.edge_types), set(tiny.keys())
    fit(make_recommender(tiny, "lattice"), tiny, epochs=1)
    assert list(tiny.edge_types) == types and set(tiny.keys()) == keys


@pytest.mark.parametrize(
    ("backbone", "arm"),
    [
        ("lightgcn", "bare"),
        ("vbpr", "bare"),
        ("vbpr", "mine"),
        ("vbpr", "noise"),
        ("lattice", "bare"),
        ("lattice", "stochastic"),
    ],
)
def test_same_seed_same_bits_and_another_seed_others(tiny, make_recommender, backbone, arm):
    def run(seed):
        recommender = make_recommender(tiny, backbone, arm)
        result = fit(recommender, tiny, epochs=3, seed=seed)
        return weights(recommender), [m["train/loss"] for m in result.history], result.test

    first, again, other = run(0), run(0), run(1)
    assert first[1:] == again[1:]
    assert all(torch.equal(first[0][name], again[0][name]) for name in first[0])
    assert first[1] != other[1]


@pytest.mark.parametrize("backbone", ["lightgcn", "vbpr", "lattice"])
def test_planted_taste_is_learned_beyond_popularity(make_tiny, make_recommender, backbone):
    data = make_tiny(num_users=120, num_items=60)
    recommender = make_recommender(data, backbone)
    result = fit(recommender, data, epochs=15, learning_rate=0.02)
    popularity = Evaluator(data).evaluate_scores(Popularity().fit(data).score, "test")
    assert result.test["recall@5"] > 1.5 * popularity.mean["recall@5"] > 0
    assert result.history[-1]["train/ranking"] < 0.8 * result.history[0]["train/ranking"]


# --------------------------------------------------------------------------- errors


def test_unknown_monitor_is_named_before_training(tiny, make_recommender):
    recommender = make_recommender(tiny)
    before = weights(recommender)
    with pytest.raises(ConfigError, match=r"monitor: got 'recall@7', expected one of .*recall@20"):
        fit(recommender, tiny, monitor="recall@7")
    assert all(torch.equal(v, before[name]) for name, v in recommender.state_dict().items())


def test_a_monitor_of_which_less_is_better_is_refused(tiny, make_recommender):
    evaluator = Evaluator(tiny, EvaluatorConfig((5,), ("recall", "gini", "coverage")))
    with pytest.raises(ConfigError, match="'gini@5' cannot choose the epoch, since a smaller"):
        Trainer(QUICK, evaluator, quiet=True, monitor="gini@5").fit(make_recommender(tiny), tiny)
    chosen = Trainer(QUICK, evaluator, quiet=True, epochs=2, monitor="coverage@5")
    result = chosen.fit(make_recommender(tiny), tiny)
    values = [epoch["val/coverage@5"] for epoch in result.history]
    assert result.val["coverage@5"] == values[result.best_epoch] == max(values)
    assert result.test == result.test_result.values


def test_unknown_setting_is_named():
    with pytest.raises(ConfigError, match="Trainer: .*'epoch'"):
        Trainer(epoch=3)
    with pytest.raises(ConfigError, match="epochs: got 0"):
        Trainer(epochs=0)
    assert Trainer(QUICK, epochs=9).config.epochs == 9
    assert Trainer(QUICK, epochs=9).config.monitor == "recall@5"


def poison(recommender, monkeypatch, step, function):
    """Change the backbone's own term at one step, counted from 0 over all epochs."""
    calls = []

    def auxiliary_loss(data, step_now):
        calls.append(step_now)
        term = step_now.item.out.square().mean()
        return {"reg": function(term) if len(calls) == step + 1 else term}

    monkeypatch.setattr(recommender.backbone, "auxiliary_loss", auxiliary_loss)
    recommender.backbone.loss_weights = {"reg": 1.0}


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_a_loss_that_is_not_finite_stops_and_leaves_the_checkpoint(
    tiny, make_recommender, tmp_path, monkeypatch, value
):
    recommender, path = make_recommender(tiny), tmp_path / "checkpoint.pt"
    poison(recommender, monkeypatch, 2 * 7 + 4, lambda term: term * value)
    message = "not finite at epoch 2, step 4: term reg .* The last checkpoint is untouched"
    with pytest.raises(TrainingError, match=message):
        fit(recommender, tiny, checkpoint=path, checkpoint_seconds=0)
    saved = checkpoints.load(path)
    assert (saved["epoch"], saved["step"], len(saved["history"])) == (2, 0, 2)

    monkeypatch.undo()
    resumed, whole = make_recommender(tiny, seed=5), make_recommender(tiny)
    for made in (resumed, whole):
        poison(made, monkeypatch, -1, None)
    result = fit(resumed, tiny, checkpoint=path, resume=True)
    expected = fit(whole, tiny)
    assert result.test == expected.test
    assert all(torch.equal(v, weights(whole)[name]) for name, v in weights(resumed).items())


@pytest.mark.parametrize("place", ["inside", "last step"])
def test_a_gradient_that_is_not_finite_stops_and_leaves_the_checkpoint(
    tiny, make_recommender, tmp_path, monkeypatch, place
):
    recommender, path = make_recommender(tiny), tmp_path / "checkpoint.pt"
    step = 2 * 7 + (3 if place == "inside" else 6)
    poison(recommender, monkeypatch, step, lambda term: (term - term).sqrt())  # 0, slope infinite
    with pytest.raises(TrainingError, match="not finite"):
        fit(recommender, tiny, checkpoint=path, checkpoint_seconds=0)
    saved = checkpoints.load(path)
    assert (saved["epoch"], saved["step"]) == (2, 0)
    assert all(torch.isfinite(v).all() for v in saved["model"].values())


def test_a_checkpoint_that_cannot_be_written_is_an_error(tiny, make_recommender, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(CheckpointError, match="cannot be written"):
        fit(make_recommender(tiny), tiny, checkpoint=tmp_path / "file" / "checkpoint.pt")


def test_damage_is_an_error_and_absence_a_fresh_start(tiny, make_recommender, tmp_path):
    path = tmp_path / "checkpoint.pt"
    fresh = fit(make_recommender(tiny), tiny, checkpoint=path, resume=True)
    assert fresh.epochs == 4 and path.is_file()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="damaged"):
        fit(make_recommender(tiny), tiny, checkpoint=path, resume=True)
    assert fit(make_recommender(tiny), tiny, checkpoint=path).test == fresh.test


def test_checkpoints_are_spaced_and_the_last_one_is_always_written(
    tiny, make_recommender, tmp_path, monkeypatch
):
    now, written = [0.0], []

    class Waiting(Callback):
        def on_epoch_end(self, epoch, metrics, recommender):
            now[0] += 20.0

    save = checkpoints.save
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(
        checkpoints, "save", lambda state, path: (written.append(state["epoch"]), save(state, path))
    )
    options = {"checkpoint": tmp_path / "checkpoint.pt", "checkpoint_seconds": 30.0}
    fit(make_recommender(tiny), tiny, epochs=5, callbacks=[Waiting()], **options)
    assert written == [2, 4, 5]


def test_names_are_loaded_at_first_use():
    assert set(training.__all__) <= set(dir(training))
    assert all(
        getattr(training, name).__module__.startswith("mrdib_graph.training.")
        for name in training.__all__
    )
    assert issubclass(Interrupted, KeyboardInterrupt)
    with pytest.raises(AttributeError, match="no attribute 'Trainor'"):
        _ = training.Trainor
