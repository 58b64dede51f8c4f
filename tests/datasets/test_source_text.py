import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdib_graph.datasets.source_text import (
    LONGEST_LINE,
    check_id,
    need_file,
    number,
    one_line,
    only_file,
    read_lines,
)
from mrdib_graph.errors import DataError


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "raw.txt"
        path.write_bytes(content)
        return path

    return write


def test_line_ends_blank_lines_and_byte_order_mark(write):
    path = write(b"\xef\xbb\xbfa\r\n\n  \nb\tc\r\n\r\nd")
    assert list(read_lines(path)) == [(1, "a"), (4, "b\tc"), (6, "d")]
    assert [text for _, text in read_lines(path, keep_blank=True)] == [
        "a",
        "",
        "  ",
        "b\tc",
        "",
        "d",
    ]


def test_encodings(write):
    assert list(read_lines(write("Zoë".encode()))) == [(1, "Zoë")]
    assert list(read_lines(write("a\nZoë".encode("latin-1")), "latin-1")) == [(1, "a"), (2, "Zoë")]


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (b"", "utf-8", "line 1: the file is empty"),
        (b"\n \r\n", "utf-8", "line 1: the file is empty"),
        (b"a\nb\0c\n", "utf-8", "line 2 holds a NUL byte"),
        (b"a\nb\0c\n", "latin-1", "line 2 holds a NUL byte"),
        (b"a\nb\n\xff\n", "utf-8", "line 3 is not UTF-8 .byte 0xff"),
        ("a\nZoë\n".encode(), "latin-1", "line 2 is UTF-8.*--encoding utf-8"),
        (b"\x1f\x8b\x08\x00", "latin-1", "line 1 starts.*compressed with gzip: unpack it"),
        (b"PK\x03\x04x", "utf-8", "line 1 starts.*a zip archive"),
        (b"\x80\x04\x95", "latin-1", "line 1 starts.*a pickle.*never loaded"),
        (b"<!DOCTYPE html><p>", "utf-8", "line 1 starts.*a web page"),
        (b"a\n" + b"x" * (LONGEST_LINE + 1), "utf-8", "line 2 is longer than"),
    ],
)
def test_what_is_no_text_is_refused_by_file_and_line(write, content, encoding, message):
    with pytest.raises(DataError, match=rf"raw\.txt: {message}"):
        list(read_lines(write(content), encoding))


def test_unreadable_and_absent_files(tmp_path):
    (tmp_path / "beside.csv").touch()
    with pytest.raises(DataError, match=r"x\.csv: there is no such file.*holds beside\.csv"):
        need_file(tmp_path, "x.csv", "the pairs")
    assert need_file(tmp_path, "beside.csv", "the pairs") == tmp_path / "beside.csv"
    with pytest.raises(DataError, match=f"{tmp_path.name}: cannot be read"):
        list(read_lines(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission(write):
    path = write(b"a")
    path.chmod(0)
    with pytest.raises(DataError, match=r"raw\.txt: cannot be read: Permission denied"):
        list(read_lines(path))


def test_one_file_or_none(tmp_path):
    assert only_file(tmp_path, "*.inter", "the interactions") is None
    (tmp_path / "a.inter").touch()
    assert only_file(tmp_path, "*.inter", "the interactions") == tmp_path / "a.inter"
    (tmp_path / "b.inter").touch()
    with pytest.raises(DataError, match=r"2 files could be the interactions: a\.inter, b\.inter"):
        only_file(tmp_path, "*.inter", "the interactions")


@given(st.text())
def test_one_line_fits_into_a_table(text):
    line = one_line(text)
    assert line == "" or line.isprintable()
    assert one_line(line) == line and line.strip() == line


@pytest.mark.parametrize("field", ["", " a", "a ", "a\tb", "a\rb", "a\x85b"])
def test_ids_that_would_break_a_table(tmp_path, field):
    with pytest.raises(DataError, match="raw: line 7, column user: got .*expected an id"):
        check_id(tmp_path / "raw", 7, "user", field)


@pytest.mark.parametrize(
    ("field", "value"), [("5", 5), ("-1.5", -1.5), ("+.5e1", 5), ("3.", 3), ("1E3", 1000)]
)
def test_numbers(tmp_path, field, value):
    assert number(tmp_path, 1, "rating", field) == value


@pytest.mark.parametrize(
    "field", ["", "x", "nan", "inf", "1e999", "1_000", " 1", "٣", "0x1", "9" * 500]
)
def test_what_is_no_number(tmp_path, field):
    with pytest.raises(DataError, match="raw: line 3, column rating: got .*finite number"):
        number(tmp_path / "raw", 3, "rating", field)
