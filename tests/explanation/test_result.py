import pytest

from mrdib_graph.explanation import Explanation


def make(contributions: dict[str, float], missing: tuple[str, ...] = ()) -> Explanation:
    score = 0.5 + sum(contributions.values())
    return Explanation(3, 5, score, 0.5, contributions, 1, 20, False, missing)


def test_shares_are_of_the_sizes() -> None:
    assert make({"a": 3.0, "b": -1.0}).shares == {"a": 0.75, "b": 0.25}
    assert make({"a": 0.0, "b": 0.0}).shares == {"a": 0.0, "b": 0.0}


def test_the_table_has_the_largest_first_and_bars_of_their_length() -> None:
    lines = make({"text": -1.0, "collaborative": 2.0, "image": 0.0}, ("text",)).table().split("\n")
    assert lines == [
        "part           contribution   share",
        "collaborative       +2.0000   66.7%  ++++++++++++++++++++++++",
        "text                -1.0000   33.3%  ------------  (the item has none)",
        "image               +0.0000    0.0%",
        "base                 0.5000",
        "score                1.5000",
    ]


def test_a_table_of_zeros_has_no_bar() -> None:
    lines = make({"image": 0.0}).table().splitlines()
    assert lines[1].split() == ["image", "+0.0000", "0.0%"]


def test_it_does_not_change() -> None:
    with pytest.raises(AttributeError):
        make({"a": 1.0}).score = 2.0  # type: ignore[misc]
