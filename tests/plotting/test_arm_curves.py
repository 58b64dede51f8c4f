import pytest

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting import arm_curves
from mrdib_graph.plotting.style import CYCLE

BARE = [{"train/loss": 2.0, "train/seconds": 1.0, "val/recall@20": 0.1, "val/recall@5": 0.05}] * 2
LONG = [
    {"train/loss": 4.0, "train/kl": 8.0, "train/estimator": 0.0},
    {"train/loss": 6.0, "train/kl": 6.0, "train/estimator": 0.0, "val/recall@20": 0.3},
    {"train/loss": 1.0, "train/kl": 5.0, "train/estimator": 0.0},
]
SHORT = [{"train/loss": 2.0, "train/kl": 4.0, "val/recall@20": 0.2}]


def thick(axis) -> dict[str, tuple[list[float], list[float]]]:
    return {
        line.get_color(): (list(line.get_xdata()), list(line.get_ydata()))
        for line in axis.get_lines()
        if line.get_linewidth() > 1
    }


def test_a_panel_a_term_and_a_line_an_arm() -> None:
    figure = arm_curves({"bare": [BARE], "mrdib": [LONG, SHORT]})
    shown = [axis for axis in figure.axes if axis.get_visible()]
    titles = [axis.get_title(loc="left") for axis in shown]
    assert titles == ["loss (total)", "loss: kl", "validation recall@20"]
    bare, mrdib = CYCLE[:2]
    assert thick(shown[0]) == {bare: ([0, 1], [2.0, 2.0]), mrdib: ([0, 1, 2], [3.0, 6.0, 1.0])}
    assert thick(shown[1]) == {mrdib: ([0, 1, 2], [6.0, 6.0, 5.0])}
    assert thick(shown[2])[mrdib] == ([0, 1], [0.2, 0.3])  # epochs without a value are left out
    thin = [line for line in shown[0].get_lines() if line.get_linewidth() < 1]
    assert [list(line.get_ydata()) for line in thin] == [[4.0, 6.0, 1.0], [2.0]]
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["bare", "mrdib"]


def test_nothing_to_draw_is_an_error() -> None:
    for arms in ({}, {"bare": [[]]}, {"bare": [[{"train/seconds": 1.0}]]}):
        with pytest.raises(ConfigError, match="no metric of any epoch"):
            arm_curves(arms)
