import pytest

from mrdib_graph.datasets.files.json_lines import BadLines, parse_record
from mrdib_graph.errors import DataError


@pytest.mark.parametrize(
    ("line", "record"),
    [
        (b'{"asin": "B", "price": null, "ok": true}', {"asin": "B", "price": None, "ok": True}),
        (b"{'asin': 'B', 'title': \"it's\"}", {"asin": "B", "title": "it's"}),
        (b"  {'asin': 'B'}  ", {"asin": "B"}),
        (b"['asin']", None),
        (b"3", None),
        (b"{'asin': 'B'", None),
        (b"{'asin': __import__('os').getcwd()}", None),
        (b"{'asin': 'B\xff'}", None),
        (b"{'a\0': 1}", None),
        (b"[" * 100_000, None),
        (b"{'a': " + b"-" * 100_000 + b"1}", None),
        (b"{[1]: 2}", None),
    ],
)
def test_parse_record(line, record):
    assert parse_record(line) == record


def test_bad_lines_are_refused_or_counted(tmp_path):
    with pytest.raises(DataError, match=r"x: line 7 is 'nonsense', expected sense"):
        BadLines(tmp_path / "x").add(7, b"nonsense", "sense")
    bad = BadLines(tmp_path / "x", 0.1)
    bad.add(7, b"nonsense", "sense")
    bad.add(9, b"more", "sense")
    bad.check(20)
    with pytest.raises(DataError, match=r"2 of 19 lines are bad, more than .* 0.1; line 7"):
        bad.check(19)
