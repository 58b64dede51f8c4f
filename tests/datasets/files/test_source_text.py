import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdib_graph.datasets.files.source_text import check_id, need_file, number, one_line, only_file
from mrdib_graph.errors import DataError


def test_a_needed_file(tmp_path):
    (tmp_path / "beside.csv").touch()
    with pytest.raises(DataError, match=r"x\.csv: there is no such file.*holds beside\.csv"):
        need_file(tmp_path, "x.csv", "the pairs")
    assert need_file(tmp_path, "beside.csv", "the pairs") == tmp_path / "beside.csv"


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
