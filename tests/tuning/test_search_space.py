import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mrdib_graph.cli.run import SETTINGS
from mrdib_graph.errors import ConfigError
from mrdib_graph.tuning import Choice, Range, SearchSpace

DEFAULT = SETTINGS / "search_space.yaml"


class Drawn:
    """A trial that draws uniformly and keeps what was asked."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.params: dict[str, Any] = {}

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        value = math.exp(self.random.uniform(math.log(low), math.log(high))) if log else low
        self.params[name] = value
        return value

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.params[name] = self.random.choice(list(choices))
        return self.params[name]


class Fixed:
    """A trial whose parameters are given; one outside the range is an error."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        assert low <= self.params[name] <= high and isinstance(log, bool)
        return float(self.params[name])

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        assert self.params[name] in choices
        return self.params[name]


def test_zero_is_a_category_beside_the_range() -> None:
    dimension = Range(0.01, 1.0, zero=True)
    values = [dimension.suggest(Drawn(seed), "alpha_kl") for seed in range(60)]
    positive = [v for v in values if v]
    assert 15 < len(positive) < 45
    assert min(positive) >= 0.01 and max(positive) <= 1.0
    without = [Range(0.01, 1.0).suggest(Drawn(seed), "alpha_kl") for seed in range(60)]
    assert min(without) >= 0.01


@pytest.mark.parametrize(
    ("dimension", "value"),
    [(Range(0.1, 2.0, zero=True), 0), (Range(0.1, 2.0, zero=True), 0.5), (Range(0.1, 2.0), 2.0)],
)
def test_fixed_parameters_give_the_value_back(dimension: Range, value: float) -> None:
    assert dimension.suggest(Fixed(dimension.fixed("x", value)), "x") == value


def test_a_value_outside_is_not_fixed() -> None:
    assert Range(0.1, 2.0).fixed("x", 0.0) == {}
    assert Range(0.1, 2.0).fixed("x", "auto") == {}
    assert Choice(("a", 1)).fixed("x", "b") == {}
    assert Choice(("a", 1)).fixed("x", 1) == {"x": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 1.0, "high": 1.0}, "low < high"),
        ({"low": 0.0, "high": 1.0}, "more than 0 with log"),
        ({"low": 0.0, "high": 1.0, "log": False, "zero": True}, "more than 0 with zero"),
        ({"low": 0.1, "high": float("inf")}, "low < high"),
        ({"low": "a", "high": 1.0}, "low: got 'a', expected a number"),
    ],
)
def test_a_bad_range_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Range(**options)


@pytest.mark.parametrize("values", [(), (1, 1)])
def test_a_bad_choice_is_refused(values: tuple[Any, ...]) -> None:
    with pytest.raises(ConfigError, match="choices: got"):
        Choice(values)


CONTENT = {
    "every": {"reg_fused": {"low": 0.01, "high": 1.0, "zero": True}, "learning_rate": [0.1, 0.2]},
    "arms": {"mrdib": {"alpha_kl": [0.0, 1.0]}},
    "backbones": {
        "lattice": {
            "every": {"learning_rate": None, "backbone_options.mix": [0.1, 0.9]},
            "arms": {"mrdib": {"alpha_kl": [0.0, 2.0]}},
        }
    },
}


def test_parts_are_laid_over_each_other() -> None:
    space = SearchSpace(CONTENT)
    assert list(space.of("vbpr", "bare")) == ["reg_fused", "learning_rate"]
    assert space.of("vbpr", "bare")["reg_fused"] == Range(0.01, 1.0, zero=True)
    assert space.of("vbpr", "mrdib")["alpha_kl"] == Choice((0.0, 1.0))
    found = space.of("lattice", "mrdib")
    assert list(found) == ["reg_fused", "backbone_options.mix", "alpha_kl"]
    assert found["alpha_kl"] == Choice((0.0, 2.0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"arm": {}}, "'arm' is unknown. Known: every, losses, arms, backbones"),
        ({"every": {"reg_fused": 0.1}}, "space: every.reg_fused: got 0.1, expected a list"),
        ({"arms": {"mrdib": {"alpha_kl": {"low": 1}}}}, "mrdib.alpha_kl: .*or low and high"),
        ({"every": {"a": {"low": 0.1, "high": 1, "step": 2}}}, "every.a: option 'step' is unknown"),
        ({"every": {"a": {"low": 0.1, "high": 1, "log": 1}}}, "'log': got 1, expected true or"),
        (
            {"every": {"a": [[1]]}},
            "every.a: option .values.: got .*, expected a list, each",
        ),
        ({"every": [1]}, "every: expected keys and values"),
        ({"backbones": {"vbpr": {"arm": {}}}}, "backbones.vbpr: 'arm' is unknown"),
        ({"backbones": {"vbpr": {"arms": {"mrdib": {"x": 1}}}}}, "mrdib.x: got 1"),
    ],
)
def test_a_malformed_space_is_named(content: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SearchSpace(content)


def test_a_file_is_read_with_numbers_as_numbers(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("every: {reg_fused: {low: 1e-3, high: 2e-1}}\n", encoding="utf-8")
    assert SearchSpace.load(path).of("", "")["reg_fused"] == Range(0.001, 0.2)
    for text, message in (("a: [", "not valid YAML"), ("- 1", "expected keys and values")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=f"space.yaml: {message}"):
            SearchSpace.load(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        SearchSpace.load(tmp_path / "absent.yaml")


def test_zero_is_in_the_default_space_of_every_weight() -> None:
    space = SearchSpace.load(DEFAULT)
    for arm in ("bare", "mrdib", "paper", "noise", "id-dropout", "split-l2", "content-loss"):
        for key, dimension in space.of("vbpr", arm).items():
            if key != "learning_rate":
                assert 0.0 in dimension.samples(), (arm, key)
