from pathlib import Path
from typing import Any

import pytest

from mrdib_graph.errors import ConfigError
from mrdib_graph.tuning import TuneConfig


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "trials: got 0, expected a whole number, 1 or more"),
        ({"trials": True}, "trials: got True"),
        ({"trials": "x"}, "trials: got 'x'"),
        ({"trials": 2, "seeds": ()}, "different seeds"),
        ({"trials": 2, "seeds": (1, 1)}, "different seeds"),
        (
            {"trials": 2, "seeds": (-1,)},
            "seeds: got .-1,., expected a list, each a whole number, 0 or more",
        ),
        ({"trials": 2, "seeds": ("a",)}, "seeds: got"),
    ],
)
def test_bad_values_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TuneConfig(space=Path("space.yaml"), **options)


def test_a_reported_seed_is_refused() -> None:
    config = TuneConfig(3, Path("space.yaml"), (7, 8))
    config.check_unreported([0, 1])
    with pytest.raises(ConfigError, match="8 is among --seeds"):
        config.check_unreported([0, 8])
