import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdib_graph.datasets.conversion.microlens_files import read_microlens
from mrdib_graph.errors import DataError

PAIRS = "user,item,timestamp\n4,3,1583378629552\n4,1,1583378629553\n9,3,1583378629554\n"
TITLES = 'item,title\n1,"Cats, ""and"" dogs"\n2,Unseen\n3,A\u00a0river\n'


def write(folder, pairs=PAIRS, titles=TITLES):
    (folder / "MicroLens-1k_pairs.csv").write_text(pairs, encoding="utf-8")
    if titles is not None:
        (folder / "MicroLens-1k_title_en.csv").write_text(titles, encoding="utf-8")
    return folder


def save(folder, name, rows=3):
    folder.mkdir(exist_ok=True)
    np.save(folder / name, np.arange(2.0 * rows, dtype=np.float32).reshape(rows, 2))


def test_reads_pairs_titles_and_features(tmp_path):
    save(tmp_path / "extracted_modality_features", "MicroLens-1k_image_features_CLIPRN50.npy")
    save(tmp_path, "MicroLens-1k_title_en_text_features_BgeM3.npy")
    found = read_microlens(write(tmp_path))
    assert found.user_ids == ["4", "9"] and found.item_ids == ["3", "1"]
    assert found.user.tolist() == [0, 0, 1] and found.item.tolist() == [0, 1, 0]
    assert found.time is not None and found.time[0] == 1583378629552
    assert found.item_columns["title"] == ["A river", 'Cats, "and" dogs']
    assert found.item_columns["text"] == found.item_columns["title"]
    assert list(found.features) == ["image", "text"]
    for x, row in found.features.values():
        assert row is not None and x[row].tolist() == [[4, 5], [0, 1]]  # row r is item r + 1
    assert found.dropped == {"items without a row": 1}
    assert len(found.files) == 4


def test_titles_may_lack_their_header_or_be_absent(tmp_path):
    found = read_microlens(write(tmp_path, titles=TITLES.partition("\n")[2]))
    assert found.item_columns["title"][0] == "A river"
    (tmp_path / "MicroLens-1k_title_en.csv").unlink()
    found = read_microlens(tmp_path)
    assert found.item_columns == {} and found.dropped == {}


def test_columns_in_another_order_and_a_title_of_two_lines(tmp_path):
    pairs = "item,timestamp,user\n3,5,4\n1,6,9\n"
    titles = 'title,item\n"two\nlines",3\nx,1\n'
    found = read_microlens(write(tmp_path, pairs, titles))
    assert found.user_ids == ["4", "9"] and found.item_columns["title"] == ["two lines", "x"]


def test_features_by_name(tmp_path):
    save(tmp_path, "own.npy")
    save(tmp_path, "a_image_features_1.npy")
    save(tmp_path, "a_image_features_2.npy")
    with pytest.raises(DataError, match="2 feature files of 'image': .*--feature image=FILE"):
        read_microlens(write(tmp_path))
    found = read_microlens(tmp_path, features={"mine": tmp_path / "own.npy"})
    assert list(found.features) == ["mine"]


P, T = r"_pairs\.csv", r"_title_en\.csv"
MALFORMED = {
    "no header": ((PAIRS.partition("\n")[2], TITLES), rf"{P}: line 1 is '4,3,1583378629552'"),
    "tabs": ((PAIRS.replace(",", "\t"), TITLES), rf"{P}: line 1 is 'user\\titem"),
    "missing field": (
        (PAIRS.replace("9,3,", "9,"), TITLES),
        rf"{P}: line 4 has 2 fields, expected 3",
    ),
    "item zero": ((PAIRS.replace("4,1,", "4,0,"), TITLES), rf"{P}: line 3, column item: got '0'"),
    "item is text": (
        (PAIRS.replace("4,1,", "4,v1,"), TITLES),
        rf"{P}: line 3, column item: got 'v1'",
    ),
    "user is missing": ((PAIRS.replace("9,3", ",3"), TITLES), rf"{P}: line 4, column user: got ''"),
    "time is text": (
        (PAIRS.replace("1583378629553", "x"), TITLES),
        rf"{P}: line 3, column timestamp",
    ),
    "repeated": ((PAIRS + "4,3,7\n", TITLES), rf"{P}: line 5 repeats the pair of line 2"),
    "header only": ((PAIRS.partition("\n")[0], TITLES), rf"{P}: there is no row to keep"),
    "empty": (("", TITLES), rf"{P}: line 1: the file is empty"),
    "quote inside": ((PAIRS + '4,"2"2,7\n', TITLES), rf"{P}: line 5: this is not CSV"),
    "quote is open": ((PAIRS, TITLES + '4,"open\n'), rf"{T}: line 5: this is not CSV"),
    "title with a comma": ((PAIRS, TITLES + "4,a,b\n"), rf"{T}: line 5 has 3 fields.*needs quotes"),
    "title of no item": ((PAIRS, TITLES + "x,a\n"), rf"{T}: line 5, column item: got 'x'"),
    "title twice": ((PAIRS, TITLES + "3,a\n"), rf"{T}: line 5 repeats the item 3"),
    "long field": ((PAIRS, TITLES + "4," + "x" * 200_000 + "\n"), rf"{T}: line 5: this is not CSV"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_files_are_refused_by_file_and_line(tmp_path, case):
    texts, message = MALFORMED[case]
    with pytest.raises(DataError, match=message):
        read_microlens(write(tmp_path, *texts))


def test_features_that_do_not_reach_every_item(tmp_path):
    save(tmp_path, "a_video_features_b.npy", rows=2)
    with pytest.raises(DataError, match=rf"{P}: line 2 has the item 3, and .*a_video.* has 2 rows"):
        read_microlens(write(tmp_path))


def test_no_pairs(tmp_path):
    with pytest.raises(DataError, match=r"there is no \*_pairs\.csv file"):
        read_microlens(tmp_path)


@given(content=st.binary(max_size=200), pairs=st.booleans())
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, pairs):
    folder = write(tmp_path_factory.mktemp("set"))
    name = "MicroLens-1k_pairs.csv" if pairs else "MicroLens-1k_title_en.csv"
    (folder / name).write_bytes(content)
    try:
        found = read_microlens(folder)
    except DataError as error:
        assert f"{name}: " in str(error)
    else:
        assert found.user.numel()


@given(st.text(st.sampled_from('349,"\n\r.xé '), max_size=60))
def test_any_rows_are_read_or_refused(tmp_path_factory, text):
    folder = write(tmp_path_factory.mktemp("set"), PAIRS + text, TITLES + text)
    try:
        found = read_microlens(folder, deduplicate=True)
    except DataError as error:
        assert ".csv: line" in str(error)
    else:
        assert found.user.numel() >= 3
