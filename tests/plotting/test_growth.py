import numpy as np
import pytest

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting import growth_curves

ROWS = [
    {"backbone": name, "pairs": pairs, "step_s": scale * pairs, "memory_mb": 7.0}
    for name, scale in (("a", 0.1), ("b", 0.2))
    for pairs in (40, 10, 20)
]


def test_a_line_a_backbone_beside_linear_growth() -> None:
    step, memory = growth_curves(ROWS).axes
    lines = {line.get_label(): np.asarray(line.get_xydata()) for line in step.get_lines()}
    np.testing.assert_allclose(lines["a"], [[10, 1], [20, 2], [40, 4]])
    np.testing.assert_allclose(lines["b"], [[10, 2], [20, 4], [40, 8]])
    np.testing.assert_allclose(lines["linear"][:, 1], [0.5, 1.0, 2.0])
    assert (step.get_xscale(), step.get_yscale()) == ("log", "log")
    assert [tick.get_text() for tick in step.get_xticklabels()] == ["10", "20", "40"]
    assert memory.get_ylabel() == "peak memory in MB"


def test_other_values_and_distinct_lines() -> None:
    rows = [{"backbone": str(n), "pairs": p, "a": p} for n in range(16) for p in (1, 2)]
    figure = growth_curves(rows, {"a": "things"})
    (axis,) = figure.axes
    looks = {(line.get_color(), line.get_linestyle()) for line in axis.get_lines()}
    assert axis.get_ylabel() == "things" and len(looks) == 17
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == [*map(str, range(16)), "linear"]


def test_nothing_and_zero_are_refused() -> None:
    with pytest.raises(ConfigError, match="rows: got none"):
        growth_curves([])
    with pytest.raises(ConfigError, match="rows: step_s of a is 0, not above 0"):
        growth_curves([{**ROWS[0], "step_s": 0}])
