import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdib_graph.datasets.conversion.movielens_files import GENRES, read_movielens
from mrdib_graph.errors import ConfigError, DataError


def film(number, title, *genres):
    flags = "|".join(str(int(genre in genres)) for genre in GENRES)
    return f"{number}|{title}|01-Jan-1995||http://x|{flags}\n"


DATA = "7\t20\t5\t300\n7\t10\t2\t100\n3\t20\t4\t200\n"
ITEM = (
    film(10, "Misérables, Les (1995)", "Drama", "Musical")
    + film(15, "Unseen (1990)", "War")
    + film(20, "Toy Story (1995)", "Animation", "Children's", "Comedy")
)
RATINGS = "7::20::5::300\n7::10::2::100\n3::20::4::200\n"
MOVIES = "10::Misérables, Les (1995)::Drama|Musical\n15::Unseen (1990)::War\n"
MOVIES += "20::Toy Story (1995)::Animation|Children's|Comedy\n"


def write(folder, data=DATA, item=ITEM, encoding="latin-1", names=("u.data", "u.item")):
    (folder / names[0]).write_bytes(data.encode("latin-1"))
    (folder / names[1]).write_bytes(item.encode(encoding))
    return folder


BIG = ("ratings.dat", "movies.dat")


@pytest.mark.parametrize("size", ["100K", "1M"])
def test_reads_both_layouts(tmp_path, size):
    folder = write(tmp_path) if size == "100K" else write(tmp_path, RATINGS, MOVIES, names=BIG)
    found = read_movielens(folder)
    assert found.user_ids == ["7", "3"] and found.item_ids == ["20", "10"]
    assert found.user.tolist() == [0, 0, 1] and found.item.tolist() == [0, 1, 0]
    assert found.time is not None and found.time.tolist() == [300, 100, 200]
    assert found.item_columns == {
        "title": ["Toy Story (1995)", "Misérables, Les (1995)"],
        "text": [
            "Toy Story (1995) Animation Children's Comedy",
            "Misérables, Les (1995) Drama Musical",
        ],
    }
    assert found.dropped == {"items without a row": 1} and found.label is None


def test_options(tmp_path):
    found = read_movielens(write(tmp_path, encoding="utf-8"), min_rating=4, encoding="utf-8")
    assert found.item_ids == ["20"] and found.user.tolist() == [0, 1]
    assert found.dropped == {"rows below min_rating": 1, "items without a row": 2}
    with pytest.raises(ConfigError, match="encoding: got 'cp1252', expected latin-1 or utf-8"):
        read_movielens(tmp_path, encoding="cp1252")


MALFORMED = {
    "commas": ((DATA.replace("\t", ","), ITEM), r"u\.data: line 1 has 1 fields, expected 4"),
    "a header": (("user\titem\trating\ttime\n" + DATA, ITEM), r"u\.data: line 1, column rating"),
    "rating is text": ((DATA.replace("\t2\t", "\tbad\t"), ITEM), r"u\.data: line 2, column rating"),
    "time is missing": ((DATA.replace("100", ""), ITEM), r"u\.data: line 2, column time: got ''"),
    "user is missing": ((DATA.replace("3\t20", "\t20"), ITEM), r"u\.data: line 3, column user"),
    "repeated": ((DATA + "7\t20\t1\t9\n", ITEM), r"u\.data: line 4 repeats the pair of line 1"),
    "empty": (("", ITEM), r"u\.data: line 1: the file is empty"),
    "film fields": ((DATA, ITEM.replace("|01-Jan", "01-Jan", 1)), r"u\.item: line 1 has 23 fields"),
    "genre flag": ((DATA, ITEM.replace("|0\n", "|2\n", 1)), r"u\.item: line 1: got the genre flag"),
    "no genre flag": ((DATA, ITEM.replace("|0\n", "|\n", 1)), r"u\.item: line 1: .* flag ''"),
    "film twice": ((DATA, ITEM + ITEM.splitlines()[0]), r"u\.item: line 4 repeats the film '10'"),
    "film is missing": ((DATA, ITEM.replace("20|", "21|", 1)), r"u\.data: line 1: the film '20'"),
    "film without id": ((DATA, ITEM.replace("15|", "|", 1)), r"u\.item: line 2, column film"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_files_are_refused_by_file_and_line(tmp_path, case):
    (data, item), message = MALFORMED[case]
    with pytest.raises(DataError, match=message):
        read_movielens(write(tmp_path, data, item))


def test_a_converted_file_is_not_read_as_latin_1(tmp_path):
    with pytest.raises(DataError, match=r"u\.item: line 1 is UTF-8.*encoding='utf-8'"):
        read_movielens(write(tmp_path, encoding="utf-8"))


def test_other_mistakes(tmp_path):
    with pytest.raises(DataError, match="found neither.*holds nothing"):
        read_movielens(tmp_path)
    write(tmp_path)
    with pytest.raises(DataError, match=r"u\.data: there is no row to keep"):
        read_movielens(tmp_path, min_rating=6)
    write(tmp_path, RATINGS, MOVIES, names=BIG)
    with pytest.raises(DataError, match="found both"):
        read_movielens(tmp_path)
    (tmp_path / "u.data").unlink()
    (tmp_path / "movies.dat").unlink()
    with pytest.raises(DataError, match=r"movies\.dat: there is no such file"):
        read_movielens(tmp_path)


@given(content=st.binary(max_size=200), name=st.sampled_from(["u.data", "u.item"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, name):
    folder = write(tmp_path_factory.mktemp("ml"))
    (folder / name).write_bytes(content)
    try:
        found = read_movielens(folder)
    except DataError as error:
        assert "u." in str(error)
    else:
        assert found.user.numel()


@given(st.text(st.sampled_from("7320:\t|\r\n15.é"), max_size=60))
def test_any_rows_are_read_or_refused(tmp_path_factory, text):
    folder = write(tmp_path_factory.mktemp("ml"), RATINGS + text, MOVIES, names=BIG)
    try:
        found = read_movielens(folder, deduplicate=True)
    except DataError as error:
        assert "ratings.dat: line" in str(error)
    else:
        assert found.user.numel() >= 3
