import ast
import gzip
import json

import numpy as np

from mrdib_graph.testing import write_raw_amazon


def test_the_formats_are_those_of_the_release(tmp_path):
    made = write_raw_amazon(tmp_path, "Toys", users=40, items=60, rows=400, single_users=5)
    rows = [line.split(",") for line in made.ratings.read_text().splitlines()]
    assert len(rows) == made.rows and all(len(row) == 4 for row in rows)
    assert len({tuple(row[:2]) for row in rows}) == made.rows
    with gzip.open(made.reviews, "rt") as file:
        reviews = [json.loads(line) for line in file]
    keys = ("reviewerID", "asin", "overall", "unixReviewTime")
    assert [[str(review[key]) for key in keys] for review in reviews] == rows
    assert {len(review["reviewText"].split()) for review in reviews} == {40}
    with gzip.open(made.metadata, "rt") as file:
        records = [ast.literal_eval(line) for line in file]
    assert {r["asin"] for r in records} >= {row[1] for row in rows if int(row[1][1:]) != 60}
    assert any("title" not in r for r in records) and any("brand" not in r for r in records)
    record = np.dtype([("key", "S10"), ("x", "<f4", 4096)])
    images = np.fromfile(made.images, record)
    assert made.images.stat().st_size == 16_394 * len(images) and len(images) == 58
    assert (images["x"] >= 0).all() and 0.2 < (images["x"] == 0).mean() < 0.8


def test_a_seed_repeats_every_byte(tmp_path):
    one, two, other = (
        write_raw_amazon(tmp_path / str(n), users=20, items=30, rows=150, seed=n // 2)
        for n in range(3)
    )
    assert one.ratings.read_bytes() == two.ratings.read_bytes() != other.ratings.read_bytes()
    assert one.images.read_bytes() == two.images.read_bytes()
