import pytest

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting import arm_bars
from mrdib_graph.plotting.style import BLUE, GREEN, GREY


def row(arm: str, gain, ci95, p=0.0004, metric="recall@20", backbone="lattice") -> dict:
    return {
        "backbone": backbone,
        "baseline": "bare",
        "arm": arm,
        "metric": metric,
        "gain_percent": gain,
        "p_value": 0.0,
        "p_holm": p,
        "ci95": ci95,
    }


ROWS = [
    row("mrdib", 6.0, (4.0, 8.0)),
    row("noise", -1.0, [-3.0, 1.0], p=0.25),
    row("mrdib", 99.0, (98.0, 100.0), metric="ndcg@20"),
]


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_bars_whiskers_and_numbers() -> None:
    figure = arm_bars(ROWS)
    [axis] = figure.axes
    assert [bar.get_width() for bar in axis.patches] == [6.0, -1.0]
    whiskers = [line.get_xdata() for line in axis.get_lines()[:2]]
    assert [list(ends) for ends in whiskers] == [[4.0, 8.0], [-3.0, 1.0]]
    assert texts(figure) == ["+6.0 %  (p < 0.001)", "-1.0 %  (p = 0.250)"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["mrdib", "noise"]
    assert axis.get_title(loc="left") == "lattice: recall@20"
    assert "percent" in axis.get_xlabel()
    low, high = axis.get_xlim()
    assert low < -3.0 and high > 8.0


def test_an_interval_with_zero_is_grey() -> None:
    colours = [bar.get_facecolor()[:3] for bar in arm_bars(ROWS).axes[0].patches]
    assert colours == [tuple(int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)) for c in (BLUE, GREY)]


def test_another_metric_and_several_backbones() -> None:
    assert texts(arm_bars(ROWS, "ndcg@20")) == ["+99.0 %  (p < 0.001)"]
    figure = arm_bars([ROWS[0], row("mrdib", 1.0, (0.5, 2.0), backbone="vbpr")])
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["lattice, mrdib", "vbpr, mrdib"]


@pytest.mark.parametrize("gain", [None, float("nan")])
def test_a_gain_over_nothing_is_said_to_be_undefined(gain) -> None:
    figure = arm_bars([row("mrdib", gain, None if gain is None else (gain, gain), p=None)])
    assert texts(figure) == ["not defined: the baseline is 0"]
    assert not figure.axes[0].patches


def test_an_absent_metric_is_an_error() -> None:
    with pytest.raises(ConfigError, match="'map@5'.*ndcg@20, recall@20"):
        arm_bars(ROWS, "map@5")
    with pytest.raises(ConfigError, match="none"):
        arm_bars([])


def test_rows_name_their_baselines_where_these_differ() -> None:
    figure = arm_bars([ROWS[0], {**ROWS[1], "arm": "mrdib", "baseline": "noise"}])
    [axis] = figure.axes
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == ["mrdib over bare", "mrdib over noise"]
    assert axis.get_xlabel().startswith("gain, percent")


def test_the_gain_over_the_partner_stands_beside_the_gain_over_bare() -> None:
    rows = [
        row("mrdib-late", 5.0, (4.0, 6.0)),
        row("mrdib", 6.0, (4.0, 8.0)),
        {**row("mrdib-late", 1.0, (0.5, 2.0)), "baseline": "bare-late"},
    ]
    [axis] = arm_bars(rows).axes
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == ["mrdib-late over bare", "mrdib-late over bare-late", "mrdib over bare"]
    assert [bar.get_width() for bar in axis.patches] == [5.0, 1.0, 6.0]
    assert {round(bar.get_height(), 6) for bar in axis.patches} == {0.6}
    colours = [bar.get_facecolor()[:3] for bar in axis.patches]
    rgb = [tuple(int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)) for c in (BLUE, GREEN, BLUE)]
    assert colours == rgb
