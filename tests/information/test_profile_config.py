import math

import pytest

from mrdib_graph.errors import ConfigError
from mrdib_graph.information import ProfileConfig


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("rule", "unions", "rule: got 'unions', expected union, mmi"),
        ("target", "item", "target: got 'item'"),
        ("split", "train", "split: got 'train'"),
        (
            "knock_out",
            ("mean", "zero"),
            "knock_out: got .*'zero'.*each mean, shuffle",
        ),
        ("folds", 1, "folds: got 1, expected a whole number, 2 or more"),
        ("candidates", 1.5, "candidates: got 1.5"),
        ("bootstrap", 10, "bootstrap: got 10, expected a whole number, 100 or more"),
        ("max_interactions", 400, "max_interactions"),
        ("directions", True, "directions: got True"),
        ("ridge", 0.0, "ridge: got 0.0"),
        ("ridge", math.nan, "ridge: got nan"),
        ("ridge", "best", "ridge: got 'best'"),
    ],
)
def test_refused_values(option, value, message):
    with pytest.raises(ConfigError, match=message):
        ProfileConfig(**{option: value})


def test_the_closed_form_knows_the_user_target_only():
    with pytest.raises(ConfigError, match="target: rule 'gaussian'"):
        ProfileConfig(rule="gaussian", target="pair")


def test_defaults():
    config = ProfileConfig()
    assert (config.rule, config.target, config.split, config.folds) == ("union", "user", "test", 5)
    assert (config.candidates, config.ridge, config.bootstrap) == (16, 30.0, 1_000)
