import io

import pytest

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting import explanation_bars
from mrdib_graph.plotting.style import BLUE, ORANGE

PARTS = {"image": -0.5, "collaborative": 2.0, "text": 0.25}


def test_each_step_begins_where_the_last_one_ends() -> None:
    figure = explanation_bars(PARTS, 1.0, "user 7, item 11")
    [axis] = figure.axes
    assert [t.get_text() for t in axis.get_yticklabels()] == ["collaborative", "image", "text"]
    assert [(p.get_x(), p.get_width()) for p in axis.patches] == [
        (1.0, 2.0),
        (3.0, -0.5),
        (2.5, 0.25),
    ]
    assert axis.yaxis_inverted()
    texts = [t.get_text() for t in axis.texts]
    assert texts == ["+2.000", "-0.500", "+0.250", "average item\n1.000", "this item\n2.750"]
    assert [line.get_xdata()[0] for line in axis.get_lines()] == [1.0, 2.75]
    low, high = axis.get_xlim()
    assert low < 1.0 and high > 3.0
    assert figure.get_suptitle() == "user 7, item 11"


def test_gains_are_blue_and_losses_orange() -> None:
    colours = [p.get_facecolor()[:3] for p in explanation_bars(PARTS, 0.0).axes[0].patches]
    rgb = [tuple(int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)) for c in (BLUE, ORANGE, BLUE)]
    assert colours == rgb


def test_it_can_be_drawn_even_where_nothing_contributes() -> None:
    file = io.BytesIO()
    explanation_bars({"image": 0.0}, 0.0).savefig(file, format="png")
    assert file.getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("parts", "base", "message"),
    [
        ({}, 0.0, "got none"),
        ({"image": float("nan")}, 0.0, "'image' is not finite"),
        ({"image": 1.0}, float("inf"), "'base' is not finite"),
    ],
)
def test_wrong_numbers(parts, base, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        explanation_bars(parts, base)


@pytest.mark.parametrize(("base", "sides"), [(0.0, ["right", "left"]), (9.0, ["right", "left"])])
def test_names_of_the_lines_stand_outside(base: float, sides: list[str]) -> None:
    """The base's name to the left and the score's to the right, also where the two are equal."""
    value = 0.0 if base else 1.0
    texts = explanation_bars({"image": value}, base).axes[0].texts[-2:]
    assert [text.get_horizontalalignment() for text in texts] == sides
    texts = explanation_bars({"image": -2.0}, base).axes[0].texts[-2:]
    assert [text.get_horizontalalignment() for text in texts] == sides[::-1]
