import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mrdib_graph.datasets import MMRecFolder, convert, recbole_example
from mrdib_graph.datasets.conversion.recbole_files import read_recbole
from mrdib_graph.errors import DataError
from mrdib_graph.features.digests import file_digest as sha256

INTER = """user_id:token\titem_id:token\trating:float\ttimestamp:float
u9\ti7\t5\t30
u9\ti3\t2.5\t10
u2\ti7\t4\t20
u2\ti5\t1\t40
"""
ITEM = """item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\tv:float_seq
i3\tThird Man\t1949\tFilm-Noir Thriller\t1 2 3
i9\tNobody Saw\t1990\tDrama\t9 9 9
i7\tSeventh Seal\t1957\tDrama\t4 5 6e-1
i5\t\t\t\t0 0 0
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set.inter").write_text(INTER, encoding="utf-8")
    (tmp_path / "set.item").write_text(ITEM, encoding="utf-8")
    return tmp_path


def test_reads_pairs_texts_and_features(folder):
    found = read_recbole(folder)
    assert found.user_ids == ["u9", "u2"] and found.item_ids == ["i7", "i3", "i5"]
    assert found.user.tolist() == [0, 0, 1, 1] and found.item.tolist() == [0, 1, 0, 2]
    assert found.time is not None and found.time.tolist() == [30, 10, 20, 40]
    assert found.label is None
    assert found.item_columns == {
        "title": ["Seventh Seal", "Third Man", ""],
        "text": ["Seventh Seal 1957 Drama", "Third Man 1949 Film-Noir Thriller", ""],
    }
    assert torch.equal(found.features["v"].x, torch.tensor([[4, 5, 0.6], [1, 2, 3], [0, 0, 0]]))
    assert found.dropped == {"items without a row": 1}
    assert [path.name for path in found.files] == ["set.inter", "set.item"]


def test_options(folder):
    found = read_recbole(folder, min_rating=2.5, text_columns=["class", "movie_title"])
    assert found.user.tolist() == [0, 0, 1] and found.item_ids == ["i7", "i3"]
    assert found.item_columns["text"][0] == "Drama Seventh Seal"
    assert found.dropped == {"rows below min_rating": 1, "items without a row": 2}


def test_other_column_names_no_items_file_and_no_time(tmp_path):
    text = "venue:token\tby:token\tnote:token_seq\n1\ta\tx y\n2\ta\t\n"
    (tmp_path / "s.inter").write_text(text, encoding="utf-8")
    found = read_recbole(tmp_path, user_column="by", item_column="venue")
    assert found.item_ids == ["1", "2"] and found.user.tolist() == [0, 0]
    assert found.time is None and found.item_columns == {} and found.features == {}


def inter(old, new):
    return INTER.replace(old, new), ITEM


def item(old, new):
    return INTER, ITEM.replace(old, new)


MALFORMED = {
    "no types": (inter("user_id:token", "user_id"), r"set\.inter: line 1 is .*name:type"),
    "unknown type": (inter("rating:float", "rating:int"), r"set\.inter: line 1 is .*rating:int"),
    "column twice": (inter("rating:float", "item_id:token"), r"set\.inter: line 1 .*not a new"),
    "wrong separator": (
        ("user_id:token,item_id:token\na,b\n", ITEM),
        r"set\.inter: line 1 is 'user_id:token,item_id:token'.*separated by tabs",
    ),
    "no user column": (
        inter("user_id:token", "user:token"),
        r"set\.inter: line 1 has no column user_id:token; did you mean 'user'",
    ),
    "user is a number": (inter("user_id:token", "user_id:float"), r"line 1 .*user_id:token; it"),
    "time is a token": (inter("timestamp:float", "timestamp:token"), "line 1 .*timestamp:float"),
    "too few fields": (inter("\t2.5\t10", "\t2.5"), r"set\.inter: line 3 has 3 fields, expected 4"),
    "time is text": (inter("\t20\n", "\tnoon\n"), r"set\.inter: line 4, column timestamp: got 'no"),
    "time is not finite": (inter("\t20\n", "\tinf\n"), r"set\.inter: line 4, column timestamp"),
    "empty user": (inter("u2\ti5", "\ti5"), r"set\.inter: line 5, column user: got ''"),
    "empty item": (inter("u2\ti5", "u2\t "), r"set\.inter: line 5, column item: got ' '"),
    "repeated pair": (inter("u2\ti5", "u2\ti7"), r"set\.inter: line 5 repeats the pair of line 4"),
    "header only": ((INTER.splitlines()[0] + "\n", ITEM), r"set\.inter: there is no row to keep"),
    "empty": (("", ITEM), r"set\.inter: line 1: the file is empty"),
    "no item column": (
        item("item_id:token", "id:token"),
        r"set\.item: line 1 has no column item_id",
    ),
    "repeated item": (item("i9\t", "i3\t"), r"set\.item: line 3 repeats item 'i3' of line 2"),
    "item lacks a field": (item("\t9 9 9", ""), r"set\.item: line 3 has 4 fields, expected 5"),
    "vector of another width": (item("4 5 6e-1", "4 5"), r"set\.item: line 4, column v has 2 num"),
    "vector of text": (item("4 5 6e-1", "4 x 6"), r"set\.item: line 4, column v: got 'x'"),
    "vector too large": (item("4 5 6e-1", "4 1e39 6"), r"set\.item: line 4, column v: .*float32"),
    "empty vector": (item("\t4 5 6e-1", "\t"), r"set\.item: line 4, column v: got ''"),
    "item without a line": (item("i7\t", "i8\t"), r"set\.item: line 1 announces.*'i7'"),
    "modality is a node type": (
        item("v:float_seq", "user:float_seq"),
        r"set\.item: line 1: got 'user'",
    ),
    "modality is a path": (
        item("v:float_seq", "../v:float_seq"),
        r"set\.item: line 1: got '\.\./v'",
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_files_are_refused_by_file_and_line(folder, case):
    (inter_text, item_text), message = MALFORMED[case]
    (folder / "set.inter").write_text(inter_text, encoding="utf-8")
    (folder / "set.item").write_text(item_text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_recbole(folder)


def test_other_mistakes(folder, tmp_path):
    with pytest.raises(DataError, match="set.item: line 1 has no text column 'title'; did you"):
        read_recbole(folder, text_columns=["title"])
    with pytest.raises(DataError, match="set.inter: line 5, column rating: got 'low'"):
        (folder / "set.inter").write_text(INTER.replace("\t1\t40", "\tlow\t40"), encoding="utf-8")
        read_recbole(folder, min_rating=1)
    (folder / "set.inter").rename(folder / "set.txt")
    with pytest.raises(DataError, match=r"there is no \.inter file.*set\.txt"):
        read_recbole(folder)


@given(content=st.binary(max_size=200), column=st.sampled_from([".inter", ".item"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, column):
    folder = tmp_path_factory.mktemp("set")
    (folder / "set.inter").write_text(INTER, encoding="utf-8")
    (folder / f"set{column}").write_bytes(content)
    try:
        found = read_recbole(folder)
    except DataError as error:
        assert "set." in str(error)
    else:
        assert found.user.numel()


@given(st.lists(st.lists(st.sampled_from("0 1 a . \t \r \x00 é e5 -".split(" ")), max_size=6)))
def test_any_rows_are_read_or_refused(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("set")
    text = INTER + "".join("\t".join(row) + "\n" for row in rows)
    (folder / "set.inter").write_text(text, encoding="utf-8")
    try:
        found = read_recbole(folder, deduplicate=True)
    except DataError as error:
        assert "set.inter: line" in str(error)
    else:
        assert found.user.numel() >= 4


def test_movielens_100k_of_an_installed_recbole(tmp_path):
    try:
        source = recbole_example("ml-100k")
    except DataError as error:
        pytest.skip(str(error))
    assert sha256(source / "ml-100k.inter").startswith("4edb74e2a81178c2")
    record = convert("recbole", source, tmp_path / "ml-100k", split="leave_last_out")
    counts = record["counts"]
    assert (counts["users"], counts["items"], counts["interactions"]) == (943, 1682, 100_000)
    assert (counts["val"], counts["test"]) == (943, 943)
    dataset = MMRecFolder(tmp_path / "ml-100k")
    data = dataset[0]
    names, texts, ids = dataset.item_names, dataset.item_texts, dataset.item_ids
    assert names is not None and texts is not None and ids is not None
    assert texts[ids.index("1")] == "Toy Story 1995 Animation Children's Comedy"
    assert names[ids.index("2")] == "GoldenEye"
    # every row, against the file read by another parser
    raw = np.genfromtxt(source / "ml-100k.inter", dtype=np.int64, skip_header=1, delimiter="\t")
    users = dataset.user_ids
    store = data["user", "interacts", "item"]
    assert users is not None
    user, item = ([int(table[i]) for i in column] for table, column in zip(
        (users, ids), store.edge_index.tolist(), strict=True))  # fmt: skip
    assert np.array_equal(np.stack([user, item, store.time.numpy()], 1), raw[:, [0, 1, 3]])
