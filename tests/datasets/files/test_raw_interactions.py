import gzip
import json

import pytest

from mrdib_graph.datasets.files.raw_interactions import (
    read_ratings,
    read_ratings_2023,
    read_reviews,
)
from mrdib_graph.errors import DataError

CSV = "A,X,5.0,100\nB,Y,1.0,90\nA,Y,3.5,101\n"


def check(found):
    assert found.user.tolist() == [0, 1, 0] and found.item.tolist() == [0, 1, 1]
    assert found.rating.tolist() == [5.0, 1.0, 3.5] and found.time.tolist() == [100, 90, 101]
    assert found.user_ids == ["A", "B"] and found.item_ids == ["X", "Y"]


def write(path, text):
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_ratings_of_2014(tmp_path):
    found, counts = read_ratings(write(tmp_path / "r.csv", CSV))
    check(found)
    assert counts == {"rows read": 3, "with a missing field": 0, "bad lines": 0}


def test_ratings_of_2023_by_their_header(tmp_path):
    lines = ["rating,parent_asin,user_id,timestamp"]
    for line in CSV.split():
        user, item, rating, time = line.split(",")
        lines.append(f"{rating},{item},{user},{time}")
    found, counts = read_ratings_2023(write(tmp_path / "r.csv.gz", "\n".join(lines)))
    check(found)
    assert counts["rows read"] == 3


def test_reviews_as_json_or_literals(tmp_path):
    lines = []
    for number, line in enumerate(CSV.split()):
        user, item, rating, time = line.split(",")
        record = {"reviewerID": user, "asin": item, "overall": float(rating), "reviewText": "it's"}
        record["unixReviewTime"] = int(time)
        lines.append(repr(record) if number == 1 else json.dumps(record))
    found, _ = read_reviews(write(tmp_path / "r.json.gz", "\n".join(lines)))
    check(found)


def test_rows_with_a_missing_field_are_dropped_and_counted(tmp_path):
    text = ",X,5.0,100\nA,,5.0,100\nA,X,,1\nA,X,1,\n" + CSV
    found, counts = read_ratings(write(tmp_path / "r.csv", text))
    check(found)
    assert counts == {"rows read": 7, "with a missing field": 4, "bad lines": 0}
    lines = '{"reviewerID": "A", "asin": "X", "overall": 5.0}\n{"asin": null}\n'
    good = '{"reviewerID": "A", "asin": "X", "overall": 5, "unixReviewTime": 1}'
    _, counts = read_reviews(write(tmp_path / "r.json", lines + good))
    assert counts["with a missing field"] == 2


@pytest.mark.parametrize(
    "line",
    [
        "A,X,5.0", "A,X,5.0,1,2", "A,X,five,1", "A,X,nan,1", "A,X,inf,1", "A,X,5.0,1.5",
        "A,X,5.0,now", "A,X,5.0,99999999999999999999", "A\tB,X,5.0,1", "A,X\x00,5.0,1", "<html>",
    ],
)  # fmt: skip
def test_a_bad_line_is_named(tmp_path, line):
    path = write(tmp_path / "r.csv", CSV + line + "\n")
    with pytest.raises(DataError, match=r"r.csv: line 4 is .*, expected user, item, a rating"):
        read_ratings(path)
    found, counts = read_ratings(path, bad_lines=0.25)
    check(found)
    assert counts["bad lines"] == 1


@pytest.mark.parametrize(
    "record",
    [
        {"reviewerID": 3, "asin": "X", "overall": 5.0, "unixReviewTime": 1},
        {"reviewerID": "A", "asin": "X", "overall": True, "unixReviewTime": 1},
        {"reviewerID": "A", "asin": "X", "overall": 5.0, "unixReviewTime": 1.5},
        {"reviewerID": "A", "asin": "X", "overall": 5.0, "unixReviewTime": 2**63},
        ["A", "X"],
    ],
)
def test_a_bad_record_is_named(tmp_path, record):
    with pytest.raises(DataError, match="line 1 is"):
        read_reviews(write(tmp_path / "r.json", json.dumps(record)))


def test_nothing_to_learn_from(tmp_path):
    with pytest.raises(DataError, match="no usable row among 1 lines"):
        read_ratings(write(tmp_path / "r.csv", "A,X,,1\n"))
    with pytest.raises(DataError, match="expected a header with user_id, parent_asin"):
        read_ratings_2023(write(tmp_path / "r2.csv", CSV))
