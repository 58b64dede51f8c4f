import gzip
import tracemalloc

import pytest

from mrdib_graph.datasets import json_lines
from mrdib_graph.datasets.json_lines import BadLines, parse_record, read_lines
from mrdib_graph.datasets.raw_files import DamagedFileError
from mrdib_graph.errors import DataError

TEXT = b"\xef\xbb\xbfone\r\n\ntwo\n  \nlast"


@pytest.mark.parametrize("name", ["lines.txt", "lines.gz"])
def test_lines_keep_their_numbers(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(TEXT) if name.endswith("gz") else TEXT)
    found = list(read_lines(tmp_path / name))
    assert found == [(1, b"one"), (3, b"two"), (4, b"  "), (5, b"last")]


def test_several_gzip_members_are_one_file(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    assert [line for _, line in read_lines(tmp_path / "a.gz")] == [b"one", b"two"]


WHOLE = gzip.compress(b"".join(b'{"asin": "%d"}\n' % i for i in range(5000)))
FLIPPED = WHOLE[:-8] + bytes([WHOLE[-8] ^ 1]) + WHOLE[-7:]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (WHOLE[:-9], "damaged or cut short: Compressed file ended"),
        (WHOLE[: len(WHOLE) // 2], "damaged or cut short"),
        (FLIPPED, "damaged or cut short: CRC check failed"),
        (WHOLE[:100] + b"\xff" * 50 + WHOLE[150:], "damaged or cut short"),
        (b"plain text", "damaged or cut short: Not a gzipped file"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"", "the file is empty"),
    ],
)
def test_damage_is_found(tmp_path, content, message):
    (tmp_path / "a.gz").write_bytes(content)
    with pytest.raises(DamagedFileError, match=message) as caught:
        list(read_lines(tmp_path / "a.gz"))
    assert caught.value.path == tmp_path / "a.gz"


def test_an_absent_file(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        list(read_lines(tmp_path / "a.gz"))


def test_a_line_has_a_largest_length(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "MAX_LINE", 100)
    (tmp_path / "a").write_bytes(b"x" * 99 + b"\n" + b"y" * 101)
    with pytest.raises(DataError, match="line 2 is longer than 100 bytes"):
        list(read_lines(tmp_path / "a"))


def test_memory_does_not_grow_with_the_file(tmp_path):
    peaks = []
    for lines in (2_000, 32_000):
        path = tmp_path / f"{lines}.gz"
        path.write_bytes(gzip.compress(b"a line of some length, over and over\n" * lines, 1))
        list(read_lines(path))  # what is imported and cached once is not counted
        tracemalloc.start()
        assert sum(1 for _ in read_lines(path)) == lines
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 0.1 * 30_000 * 37, peaks


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
