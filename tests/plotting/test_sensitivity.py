import numpy as np
import pytest

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting import sensitivity

POINTS = {
    "alpha_kl": [(0.001, 0.2), (0.0, 0.1), (0.001, 0.4)],
    "alpha_unique": [(0.1 * n, 0.2) for n in range(8)],
}


def test_a_line_through_the_means_and_a_dot_a_run() -> None:
    figure = sensitivity(POINTS, "validation recall@20", {"alpha_kl": 0.001}, baseline=0.15)
    first, second = figure.axes
    mean, bare, chosen = first.get_lines()
    assert np.allclose(mean.get_xydata(), [[0.0, 0.1], [0.001, 0.3]])
    assert sorted(first.collections[0].get_offsets().tolist()) == [
        [0.0, 0.1],
        [0.001, 0.2],
        [0.001, 0.4],
    ]
    assert bare.get_ydata()[0] == 0.15
    assert chosen.get_xdata()[0] == 0.001
    assert len(second.get_lines()) == 2
    assert [axis.get_xlabel() for axis in figure.axes] == ["alpha_kl", "alpha_unique"]
    assert first.get_ylabel() == "validation recall@20"


def test_ticks_are_values_that_were_tried_and_stay_few() -> None:
    first, second = sensitivity(POINTS, "recall").axes
    assert [label.get_text() for label in first.get_xticklabels()] == ["0", "1e-3"]
    ticks = second.get_xticks()
    assert len(ticks) == 5
    assert (ticks[0], ticks[-1]) == (0.0, pytest.approx(0.7))


def test_bad_points_are_named() -> None:
    with pytest.raises(ConfigError, match="no option"):
        sensitivity({}, "recall")
    for pairs in ([], [(-1.0, 0.2)]):
        with pytest.raises(ConfigError, match="'alpha_kl'"):
            sensitivity({"alpha_kl": pairs}, "recall")


def test_points_of_a_random_search_have_no_line() -> None:
    points = {"alpha_kl": [(0.0, 0.2), (3e-5, 0.3), (2e-3, 0.1)], "p": [(0.2, 0.2), (0.3, 0.3)]}
    first, second = sensitivity(points, "recall", means=False).axes
    assert not first.get_lines() and not second.get_lines()
    assert [label.get_text() for label in first.get_xticklabels()] == ["0", "1e-4", "1e-3"]
    assert [label.get_text() for label in second.get_xticklabels()] == ["0.2", "0.3"]
