import pytest

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting import curves
from mrdib_graph.plotting.style import CYCLE

HISTORY = [
    {"train/loss": 1.0, "train/kl": 5.0, "train/seconds": 2.0},
    {"train/loss": 0.5, "train/kl": 4.0, "val/recall@10": 0.1, "val/recall@20": 0.2},
    {"train/loss": 0.4, "information/image/bits": 0.3, "train/memory_mb": 9.0},
    {"train/loss": 0.3, "val/recall@10": 0.3, "val/recall@20": 0.4},
]


def by_title(figure) -> dict:
    return {axis.get_title(loc="left"): axis for axis in figure.axes if axis.get_visible()}


def test_one_panel_a_term_and_one_a_metric() -> None:
    panels = by_title(curves(HISTORY))
    assert list(panels) == ["loss (total)", "loss: kl", "validation recall", "information"]
    for axis in panels.values():
        assert axis.get_xlabel() == "epoch"
        assert axis.get_ylabel()
    assert panels["information"].get_ylabel() == "bits per interaction"


def test_the_lines_hold_the_values_at_their_epochs() -> None:
    panels = by_title(curves(HISTORY))
    [loss] = panels["loss (total)"].get_lines()
    assert loss.get_xydata().tolist() == [[0, 1.0], [1, 0.5], [2, 0.4], [3, 0.3]]
    at10, at20 = panels["validation recall"].get_lines()
    assert at10.get_label() == "@10"
    assert at10.get_xydata().tolist() == [[1, 0.1], [3, 0.3]]
    assert at20.get_xydata().tolist() == [[1, 0.2], [3, 0.4]]
    assert at10.get_color() == CYCLE[0] != at20.get_color()


def test_best_epoch_is_drawn_in_each_panel() -> None:
    for axis in by_title(curves(HISTORY, best_epoch=3)).values():
        assert axis.get_lines()[-1].get_xdata()[0] == 3


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ConfigError, match="history"):
        curves([{"train/seconds": 1.0}])
