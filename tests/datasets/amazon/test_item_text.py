import gzip
import json

import pytest

from mrdib_graph.datasets.amazon.item_text import compose_2014, compose_2023, read_texts
from mrdib_graph.errors import DataError

FULL = {"title": "T", "brand": "B", "categories": [["C1", "C2"], ["X"]], "description": "D"}


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (FULL, "T B C1 C2 D"),
        ({**FULL, "title": None}, "  B C1 C2 D"),
        ({"title": "T", "categories": [["C1"]], "description": "D"}, "T   C1 D"),
        ({**FULL, "categories": []}, "T B  D"),
        ({**FULL, "description": None}, "T B C1 C2  "),
        ({}, " " * 6),  # four missing fields, two separators
    ],
)
def test_the_text_of_2014(record, text):
    # by the rule, term by term: a missing field is one space
    assert compose_2014(record) == text


def test_the_text_of_2023():
    record = {
        "title": "T", "store": "S", "categories": ["C1", "C2"], "features": ["f", "g"],
        "description": ["d", "e"],
    }  # fmt: skip
    assert compose_2023(record) == "T S C1 C2 f g d e"
    assert compose_2023({"title": "T"}) == "T       "


def write(path, lines):
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def read(path, bad_lines=0.0):
    return read_texts(path, {"B1": 0, "B2": 1, "B3": 2}, "asin", compose_2014, bad_lines)


def test_titles_and_texts_follow_the_items(tmp_path):
    lines = [
        repr({"asin": "B2", **FULL, "title": "a\ttab\r\nand\x85line"}),
        json.dumps({"asin": "B0", **FULL, "title": "not wanted"}),
        json.dumps({"asin": "B1", "title": "half \ud800", "related": {"asin": "B3"}}),
        repr({"asin": "B1", "title": "later", "brand": "B"}),
    ]
    found = read(write(tmp_path / "m.json.gz", lines))
    assert found.titles == ["later", "a tab  and line", ""]
    assert found.texts == ["later B   ", "a tab  and line B C1 C2 D", compose_2014({})]
    assert found.counts == {
        "records read": 4,
        "bad lines": 0,
        "repeated records": 1,
        "items without a record": 1,
        "records without a title": 0,
        "records without a description": 1,
        "records without both": 0,
    }


def test_half_a_surrogate_pair_becomes_a_question_mark(tmp_path):
    path = write(tmp_path / "m.gz", [json.dumps({"asin": "B1", "title": "x\ud800y"})])
    assert read(path).titles[0] == "x?y"


@pytest.mark.parametrize(
    "line",
    [
        "{'asin': 'B1', 'title': ",
        "{'asin': 'B0', 'title': 'cut of",
        "<html>",
        "{'title': 'no id'}",
        "{'asin': 'B1', 'title': f()}",
        "{'asin': 3}",
    ],
)
def test_a_bad_line_is_named(tmp_path, line):
    good = [repr({"asin": "B1", **FULL})] * 3
    path = write(tmp_path / "m.gz", [*good, line])
    with pytest.raises(
        DataError, match="m.gz: line 4 is .*expected a JSON object or a Python dict"
    ):
        read(path)
    assert read(path, bad_lines=0.25).counts["bad lines"] == 1


def test_a_number_that_has_no_text_is_a_bad_line(tmp_path):
    good = repr({"asin": "B1", **FULL})
    line = "{'asin': 'B1', 'title': 0x" + "f" * 5000 + "}"  # str() refuses thousands of digits
    path = write(tmp_path / "m.gz", [good, line])
    with pytest.raises(DataError, match="m.gz: line 2 is .*expected a JSON object"):
        read(path)
    found = read(path, bad_lines=0.5)
    assert found.counts["bad lines"] == 1 and found.counts["repeated records"] == 0
