from dataclasses import FrozenInstanceError

import pytest

from mrdib_graph.errors import ConfigError
from mrdib_graph.training import TrainerConfig


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs: got 0, expected 1 or more"),
        ({"patience": -1}, "patience: got -1, expected 0 or more"),
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
