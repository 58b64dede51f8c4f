import math

import pytest

from mrdib_graph.errors import ConfigError
from mrdib_graph.partial_information import PartialInformation
from mrdib_graph.plotting import information_bars, information_heat_maps, knock_out_bars


def split(r: float, a: float, b: float, s: float) -> dict:
    return PartialInformation(r, (a, b), s, r + a + b + s)._asdict()


def knock_out(name: str, kind: str, drop: float) -> dict:
    return {"name": name, "kind": kind, "drop_percent": {"recall@20": drop, "ndcg@20": 2 * drop}}


PROFILE = {
    "pairs": [
        {
            "pair": ["image", "text"],
            "split": split(0.2, 0.3, 0.1, 0.4),
            "low": split(0.1, 0.2, 0.05, 0.3),
            "high": split(0.3, 0.4, 0.15, 0.5),
        },
        {"pair": ["image", "audio"], "split": split(0.1, 0.1, 0, -0.01), "low": None, "high": None},
    ],
    "knock_out": [
        knock_out("image", "mean", 10.0),
        knock_out("text", "mean", -1.0),
        knock_out("image", "shuffle", 20.0),
        knock_out("text", "shuffle", 5.0),
    ],
}


def stacks(figure) -> list[list[tuple[float, float]]]:
    """Bottom and height of the segments of each bar."""
    bars: dict[float, list[tuple[float, float]]] = {}
    for bar in figure.axes[0].patches:
        bars.setdefault(round(bar.get_x(), 6), []).append((bar.get_y(), bar.get_height()))
    return list(bars.values())


def test_bars_stack_the_parts_of_the_first_pair() -> None:
    found = stacks(information_bars(PROFILE))
    expected = [
        [(0, 0.2), (0.2, 0.3)],
        [(0, 0.2), (0.2, 0.1)],
        [(0, 0.2), (0.2, 0.3), (0.5, 0.1), (0.6, 0.4)],
    ]
    assert [[pytest.approx(s) for s in bar] for bar in expected] == found


def test_whiskers_are_intervals_on_top_of_the_part_below() -> None:
    lines = information_bars(PROFILE).axes[0].get_lines()
    ends = {tuple(line.get_ydata().round(6)) for line in lines}
    assert ends == {(0.1, 0.3), (0.4, 0.6), (0.25, 0.35), (0.55, 0.65), (0.9, 1.1)}


def test_truth_is_drawn_where_the_parts_end() -> None:
    truth = PartialInformation(0.25, (0.25, 0.05), 0.5, 1.05)
    figure = information_bars({"pairs": [{**PROFILE["pairs"][0], "low": None}]}, truth)
    levels = [round(line.get_ydata()[0], 6) for line in figure.axes[0].get_lines()]
    assert levels == [0.25, 0.5, 0.25, 0.3, 0.25, 0.5, 0.55, 1.05]
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == ["synergistic", "unique: text", "unique: image", "redundant", "truth"]
    assert figure.axes[0].get_ylabel() == "bits per interaction"


def test_a_part_below_zero_takes_no_height() -> None:
    found = stacks(information_bars({"pairs": [PROFILE["pairs"][1]]}))
    assert found[2][-1] == pytest.approx((0.2, 0))


def test_heat_maps_hold_the_shares_of_each_pair() -> None:
    figure = information_heat_maps(PROFILE)
    redundant, synergistic = (axis.get_images()[0].get_array() for axis in figure.axes[:2])
    assert redundant[0][1] == redundant[1][0] == pytest.approx(100 * 0.2 / 0.3)
    assert redundant[0][2] == pytest.approx(100 * 0.1 / 0.1)
    assert synergistic[0][1] == pytest.approx(40.0)
    assert synergistic[0][2] == pytest.approx(-100 * 0.01 / 0.19)
    assert math.isnan(redundant.filled(math.nan)[1][2])
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == ["image", "text", "audio"]


def test_heat_maps_of_a_pair_without_information_are_empty() -> None:
    nothing = {"pair": ["a", "b"], "split": split(0, 0, 0, 0)}
    assert not information_heat_maps({"pairs": [nothing]}).axes[0].texts
    parts = {**PROFILE["pairs"][0]["split"], "synergistic": -1e-9}
    below = information_heat_maps({"pairs": [{**PROFILE["pairs"][0], "split": parts}]})
    assert {text.get_text() for text in below.axes[1].texts} == {"0"}  # and not -0


def test_knock_out_bars() -> None:
    figure = knock_out_bars(PROFILE)
    [axis] = figure.axes
    assert [bar.get_height() for bar in axis.patches] == [10.0, -1.0, 20.0, 5.0]
    assert [text.get_text() for text in axis.texts] == ["10.0", "-1.0", "20.0", "5.0"]
    names = [text.get_text() for text in axis.get_legend().get_texts()]
    assert names == ["replaced by its mean", "replaced by shuffled rows"]
    assert axis.get_ylabel() == "drop of recall@20, percent"
    heights = [b.get_height() for b in knock_out_bars(PROFILE, "ndcg@20").axes[0].patches]
    assert heights == [20.0, -2.0, 40.0, 10.0]


def test_what_a_profile_lacks_is_named() -> None:
    empty = {"pairs": [], "knock_out": []}
    for draw in (information_bars, information_heat_maps):
        with pytest.raises(ConfigError, match="no pair"):
            draw(empty)
    with pytest.raises(ConfigError, match="no knock-out"):
        knock_out_bars(empty)
    with pytest.raises(ConfigError, match="'map@5', expected one of recall@20, ndcg@20"):
        knock_out_bars(PROFILE, "map@5")
