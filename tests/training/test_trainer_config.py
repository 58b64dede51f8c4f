from dataclasses import FrozenInstanceError

import pytest

from mrdib_graph.errors import ConfigError
from mrdib_graph.training import TrainerConfig


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs: got 0, expected a whole number, 1 or more"),
        ({"patience": -1}, "patience: got -1, expected a whole number, 0 or more"),
        ({"eval_every": 0}, "eval_every: got 0"),
        ({"batch_size": 0}, "batch_size: got 0"),
        ({"num_negatives": 0}, "num_negatives: got 0"),
        ({"weight_decay": -1e-4}, "weight_decay: got -0.0001"),
        ({"checkpoint_seconds": -1}, "checkpoint_seconds: got -1"),
        ({"learning_rate": 0}, "learning_rate: got 0, expected more than 0"),
        ({"learning_rate": float("nan")}, "learning_rate: got nan"),
        ({"lr_decay": -0.5}, "lr_decay: got -0.5"),
        ({"zero_grad": "set"}, "zero_grad: got 'set', expected none or zeros"),
        ({"loader": "neighbour"}, "loader: got 'neighbour', expected full or neighbor"),
        ({"schedule": "cosin"}, "schedule: got 'cosin', expected none, cosine or linear; did you"),
        ({"warmup_epochs": -1}, "warmup_epochs: got -1"),
        ({"clip_norm": -1.0}, "clip_norm: got -1.0, expected 0 or more"),
        ({"average": "mean"}, "average: got 'mean', expected none, ema or swa"),
        ({"average_after": -1}, "average_after: got -1"),
        ({"ema_decay": 1.0}, "ema_decay: got 1.0, expected a probability below 1"),
        ({"autocast": "float16"}, "autocast: got 'float16', expected none or bfloat16"),
        (
            {"schedule": "linear", "warmup_epochs": 5, "epochs": 5},
            "warmup_epochs: got 5 of 5 epochs, expected fewer, since the schedule 'linear'",
        ),
        ({"num_neighbors": []}, r"num_neighbors: got \[\], expected one number or more"),
        ({"num_neighbors": [5, 0]}, r"num_neighbors: got \[5, 0\]"),
    ],
)
def test_values_out_of_range_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        TrainerConfig(**options)


def test_the_edges_of_the_ranges_are_allowed():
    edge = {"epochs": 1, "patience": 0, "weight_decay": 0, "checkpoint_seconds": 0}
    assert TrainerConfig(**edge).patience == 0


def test_it_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        TrainerConfig().epochs = 3


def test_everything_is_off_by_default():
    config = TrainerConfig()
    assert (config.optimizer, config.optimizer_options, config.callbacks) == ("adam", {}, [])
    assert {config.schedule, config.average, config.autocast} == {"none"}
    assert (config.warmup_epochs, config.clip_norm, config.lr_decay) == (0, 0.0, 1.0)


def test_epochs_may_change_unless_a_schedule_follows_from_them():
    free = {"epochs", "patience", "checkpoint_seconds", "device"}
    assert set(TrainerConfig(warmup_epochs=3).may_change) == free
    assert set(TrainerConfig(schedule="cosine").may_change) == free - {"epochs"}
