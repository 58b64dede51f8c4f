import pytest
import torch

from mrdib_graph.errors import CheckpointError, ConfigError, TrainingError
from mrdib_graph.training import Callback, Interrupted, Trainer, TrainerConfig
from mrdib_graph.training.callback import build_callbacks

QUICK = TrainerConfig(epochs=5, batch_size=32, learning_rate=0.05, monitor="recall@5", device="cpu")


class Counting(Callback):
    """Counts steps and epochs; stops after some epochs."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.steps = []
        self.epochs = []

    def on_step_end(self, epoch, step, terms, recommender):
        assert recommender.training and terms["loss"] > 0
        self.steps.append((epoch, step))

    def on_epoch_end(self, epoch, metrics, recommender):
        self.epochs.append((epoch, "val/recall@5" in metrics, "train/loss" in metrics))
        self.stop = len(self.epochs) == self.stop_after
        return {"extra/steps": float(len(self.steps))}

    def state_dict(self):
        return {"steps": list(self.steps), "epochs": list(self.epochs)}

    def load_state_dict(self, state):
        self.steps, self.epochs = state["steps"], state["epochs"]


class Sized(Callback):
    """Keeps every item row below a norm."""

    def on_step_end(self, epoch, step, terms, recommender):
        with torch.no_grad():
            recommender.backbone.item.weight.renorm_(2, 0, 0.01)


def fit(recommender, data, *callbacks, loader=None, checkpoint=None, resume=False, **options):
    trainer = Trainer(QUICK, quiet=True, callbacks=callbacks, **options)
    return trainer.fit(recommender, data, loader, checkpoint=checkpoint, resume=resume)


def test_it_is_called_after_every_step_and_epoch_and_its_metrics_are_kept(tiny, make_recommender):
    counting = Counting()
    result = fit(make_recommender(tiny), tiny, counting, epochs=3, eval_every=2)
    assert counting.steps == [(epoch, step) for epoch in range(3) for step in range(7)]
    assert counting.epochs == [(0, False, True), (1, True, True), (2, True, True)]
    assert [m["extra/steps"] for m in result.history] == [7, 14, 21]


def test_one_that_does_nothing_changes_nothing(tiny, make_recommender):
    plain, beside = make_recommender(tiny, "vbpr", "mine"), make_recommender(tiny, "vbpr", "mine")
    expected = fit(plain, tiny)
    result = fit(beside, tiny, Callback)
    assert result.test == expected.test
    after = beside.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in plain.state_dict().items())


def test_what_it_does_to_the_weights_stays(tiny, make_recommender):
    recommender = make_recommender(tiny)
    fit(recommender, tiny, Sized())
    assert recommender.backbone.item.weight.norm(dim=1).max() <= 0.01 + 1e-6


@pytest.mark.parametrize("eval_every", [1, 4])
def test_it_stops_training_after_an_evaluation(tiny, make_recommender, tmp_path, eval_every):
    path, options = tmp_path / "checkpoint.pt", {"eval_every": eval_every}
    result = fit(make_recommender(tiny), tiny, Counting(2), checkpoint=path, **options)
    assert result.epochs == len(result.history) == 2
    assert "val/recall@5" in result.history[-1]
    counting = Counting(2)
    again = fit(make_recommender(tiny), tiny, counting, checkpoint=path, resume=True, **options)
    assert (again.epochs, again.test) == (2, result.test), "a stopped run is finished"


def test_its_state_goes_through_the_checkpoint(
    tiny, make_recommender, interrupting_loader, tmp_path
):
    path, whole = tmp_path / "checkpoint.pt", Counting(4)
    expected = fit(make_recommender(tiny), tiny, whole)
    loader = interrupting_loader(tiny, [9], [], batch_size=32)
    with pytest.raises(Interrupted):
        fit(make_recommender(tiny), tiny, Counting(4), loader=loader, checkpoint=path)
    resumed = Counting(4)
    result = fit(make_recommender(tiny), tiny, resumed, checkpoint=path, resume=True)
    assert (resumed.steps, resumed.epochs) == (whole.steps, whole.epochs)
    assert result.test == expected.test and result.epochs == 4
    message = "checkpoint.pt: written with the callbacks Counting, this run has none"
    with pytest.raises(CheckpointError, match=message):
        fit(make_recommender(tiny), tiny, checkpoint=path, resume=True)


def test_a_state_that_would_have_to_run_code_is_refused(tiny, make_recommender, tmp_path):
    class Odd(Callback):
        def state_dict(self):
            return {"self": Counting()}

    with pytest.raises(TrainingError, match="callback Odd: its state cannot be kept"):
        fit(make_recommender(tiny), tiny, Odd, checkpoint=tmp_path / "checkpoint.pt")


FILE = """
from mrdib_graph.training import Callback

class Half(Callback):
    def on_epoch_end(self, epoch, metrics, recommender):
        return {"extra/half": metrics["train/loss"] / 2}
"""


def test_one_of_a_file_by_settings_or_argument(tiny, make_recommender, tmp_path):
    (tmp_path / "mine.py").write_text(FILE)
    name = f"{tmp_path / 'mine.py'}:Half"
    by_argument = fit(make_recommender(tiny), tiny, name, epochs=1)
    config = TrainerConfig(**{**vars(QUICK), "epochs": 1, "callbacks": [name]})
    of_config = Trainer(config, quiet=True).fit(make_recommender(tiny), tiny)
    for result in (by_argument, of_config):
        [metrics] = result.history
        assert metrics["extra/half"] == metrics["train/loss"] / 2


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("half", "callbacks: 'half' is unknown. Choices: file.py:Class"),
        ("none.py:Half", "callbacks: the file none.py does not exist"),
        (TrainerConfig, "callbacks: TrainerConfig is not a subclass of Callback"),
        (3, "callbacks: got 3, expected a name, a class or a Callback"),
    ],
)
def test_what_is_no_callback_is_refused(query, message):
    with pytest.raises(ConfigError, match=message):
        build_callbacks([query])
