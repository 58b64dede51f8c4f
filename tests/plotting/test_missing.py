import numpy as np
import pytest

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting import missing_curves

PARTS = {
    "all items": {"zero-fill": {0.5: [0.2, 0.3], 0.0: [0.4, 0.4]}, "poe": {0.0: [0.1, 0.3]}},
    "items lacking a modality": {"zero-fill": {0.5: [0.1]}},
}


def test_a_line_through_the_means_in_the_order_of_the_shares() -> None:
    figure = missing_curves(PARTS, "recall@20")
    first, second = figure.axes
    zero, poe = first.containers
    points = zero.lines[0].get_xydata()
    assert np.allclose(points[:, 1], [0.4, 0.25])
    assert np.allclose(points[:, 0], [0, 50], atol=0.5)  # a little aside
    assert float(np.asarray(poe.lines[0].get_xdata())[0]) > points[0, 0]
    [bars] = zero.lines[2]
    lengths = [segment[1][1] - segment[0][1] for segment in bars.get_segments()]
    assert np.allclose(lengths, [0.0, 2 * np.std([0.2, 0.3], ddof=1)])
    assert [axis.get_title(loc="left") for axis in figure.axes] == list(PARTS)
    assert first.get_ylabel() == "recall@20" and second.get_ylabel() == ""


def test_a_method_keeps_its_colour_and_stands_in_the_legend_once() -> None:
    figure = missing_curves(PARTS, "recall@20")
    colours = [axis.containers[0].lines[0].get_color() for axis in figure.axes]
    assert colours[0] == colours[1]
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["zero-fill", "poe"]


@pytest.mark.parametrize("parts", [{}, {"all items": {}}])
def test_refuses_nothing(parts: dict) -> None:
    with pytest.raises(ConfigError, match="parts: got"):
        missing_curves(parts, "recall@20")
