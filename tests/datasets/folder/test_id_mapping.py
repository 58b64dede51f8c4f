import pytest

from mrdib_graph.datasets.folder.id_mapping import read_id_table
from mrdib_graph.errors import DataError


def test_rows_come_back_in_the_order_of_the_ids(tmp_path):
    path = tmp_path / "i_id_mapping.csv"
    path.write_text('asin\titemID\tname\nB2\t1\tÄ "b"\nB1\t0\t\nB3\t2\tc,d\n', encoding="utf-8-sig")
    table = read_id_table(path, "itemID", 3)
    assert table == {"asin": ["B1", "B2", "B3"], "name": ["", 'Ä "b"', "c,d"]}


@pytest.mark.parametrize(
    "text, message",
    [
        ("asin,itemID\nB1,0\n", "line 1"),
        ("itemID\n0\n1\n", "line 1"),
        ("", "line 1"),
        ("asin\titemID\nB1\t0\nB2\n", "line 3 has 1 fields"),
        ("asin\titemID\nB1\t0\nB2\t0\n", "line 3, column itemID: got '0'"),
        ("asin\titemID\nB1\t0\nB2\t2\n", "line 3, column itemID: got '2'"),
        ("asin\titemID\nB1\t0\nB2\t-1\n", "line 3, column itemID: got '-1'"),
        ("asin\titemID\nB1\t0\nB2\tx\n", "line 3, column itemID: got 'x'"),
        ("asin\titemID\nB1\t1\n", "1 of 2 ids have no line, the first is 0"),
    ],
)
def test_refuses(tmp_path, text, message):
    path = tmp_path / "i_id_mapping.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as info:
        read_id_table(path, "itemID", 2)
    assert str(path) in str(info.value)


def test_unreadable(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_id_table(tmp_path / "absent.csv", "itemID", 2)
    (tmp_path / "latin.csv").write_bytes(b"asin\titemID\n\xe9\t0\n")
    with pytest.raises(DataError, match="UTF-8"):
        read_id_table(tmp_path / "latin.csv", "itemID", 1)


def test_a_number_of_thousands_of_digits(tmp_path):
    (tmp_path / "t.tsv").write_text("itemID\tname\n" + "1" * 5000 + "\ta\n")
    with pytest.raises(DataError, match="line 2, column itemID: got '1111"):
        read_id_table(tmp_path / "t.tsv", "itemID", 1)
