"""Ratings, reviews and metadata of Amazon Reviews: CSV, JSON and Python literals, packed or not.

The first byte says which reader, and whether the rest is packed before it is read.
"""

import gzip
import itertools
from pathlib import Path

from harness import Target

from mrdib_graph.datasets.amazon.item_text import compose_2014, compose_2023, read_texts
from mrdib_graph.datasets.files.raw_interactions import (
    read_ratings,
    read_ratings_2023,
    read_reviews,
)

RATINGS = b"A1,B1,5.0,1400000000\nA2,B1,1.0,1400000001\n,B2,3,1\n"
REVIEWS = (
    b'{"reviewerID": "A1", "asin": "B1", "overall": 5.0, "unixReviewTime": 1400000000}\n'
    b"{'reviewerID': 'A2', 'asin': 'B2', 'overall': 4, 'unixReviewTime': 1}\n"
)
METADATA = (
    b"{'asin': 'B1', 'title': \"It's\", 'categories': [['Baby', 'Toys']], 'price': 1.5}\n"
    b'{"parent_asin": "B2", "asin": "B2", "title": null, "features": ["a"], "description": []}\n'
)
HEADED = b"user_id,parent_asin,rating,timestamp\n" + RATINGS


def read(folder: Path, data: bytes) -> None:
    kind, content = (data[0] if data else 0), data[1:]
    packed = kind & 8
    path = folder / ("a.gz" if kind & 24 else "a.csv")
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    share = 0.5 if kind & 32 else 0.0
    items = {"B1": 0, "B2": 1}
    match kind & 7:
        case 0:
            read_ratings(path, share)
        case 1:
            read_ratings_2023(path, share)
        case 2:
            read_reviews(path, share)
        case 3:
            read_texts(path, items, "asin", compose_2014, share)
        case _:
            read_texts(path, items, "parent_asin", compose_2023, share)


def seeds() -> list[bytes]:
    contents = enumerate((RATINGS, HEADED, REVIEWS, METADATA, METADATA))
    made = [
        bytes([kind | flags]) + content
        for (kind, content), flags in itertools.product(contents, (0, 8, 32))
    ]
    packed = gzip.compress(REVIEWS * 3, 1)
    made.append(b"\x03{'asin': 'B1', 'title': 0x" + b"f" * 5000 + b"}")
    return [*made, bytes([2 | 16]) + packed, bytes([2 | 16]) + packed[:-6]]


TARGET = Target(
    "raw_lines",
    read,
    seeds,
    (
        b"'asin': 'B1'",
        b'"asin": "B1"',
        b"null",
        b"None",
        b"0x" + b"f" * 5000,
        b"[" * 1200,
        b"-" * 99,
    ),
)
