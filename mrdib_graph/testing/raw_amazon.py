"""Made-up raw files in the exact formats of Amazon Reviews, for tests and measurements."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

_WORDS = (
    "soft light small blue bottle travel case cable warm cotton strap clean fresh sharp solid "
    "black steel round paper cover handle quiet strong thin bright wide clear"
).split()
_IMAGES = 512  # made at a time


class RawAmazon(NamedTuple):
    """What :func:`write_raw_amazon` wrote."""

    ratings: Path
    reviews: Path
    metadata: Path
    images: Path
    rows: int


def write_raw_amazon(
    folder: str | Path,
    category: str = "Baby",
    users: int = 300,
    items: int = 120,
    rows: int = 3_000,
    single_users: int = 100,
    seed: int = 0,
    review_words: int = 40,
) -> RawAmazon:
    """Write ratings, reviews, metadata and image features of products that do not exist.

    Users prefer the items of their group; titles, categories and images tell the groups.  Some
    items lack a record, a title, a description or an image, as in the real files.  The formats are
    those of the 2014 release: ratings as CSV without a header, reviews as JSON in gzip, metadata as
    Python literals in gzip, images as records of 10 + 4 * 4,096 bytes.

    Args:
        folder: Where the four files go.
        category: Part of their names.
        users: Users with several rows.
        items: Items, at most 10^9.
        rows: About how many rows these users have in all; repeated pairs are left out.
        single_users: Further users with one row each, whom a core drops.
        seed: Seed of every draw.
        review_words: Words of each review.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    user, item = _pairs(rng, users, items, rows)
    single = rng.integers(0, items, single_users)
    user = np.concatenate([user, users + np.arange(single_users)])
    item = np.concatenate([item, single])
    order = rng.permutation(len(user))
    user, item = user[order], item[order]
    rating = rng.integers(1, 6, len(user))
    time = 1_100_000_000 + rng.integers(0, 300_000_000, len(user))
    made = RawAmazon(
        folder / f"ratings_{category}.csv",
        folder / f"reviews_{category}_5.json.gz",
        folder / f"meta_{category}.json.gz",
        folder / f"image_features_{category}.b",
        len(user),
    )
    lists = (column.tolist() for column in (user, item, rating, time))
    columns = list(zip(*lists, strict=True))
    opinions = [_words(rng, review_words) for _ in range(64)]
    with made.ratings.open("w", encoding="ascii") as file:
        file.writelines(f"{_user(u)},{_asin(i)},{r}.0,{t}\n" for u, i, r, t in columns)
    with gzip.open(made.reviews, "wt", compresslevel=1, encoding="utf-8") as file:
        file.writelines(_review(opinions[sum(row) % 64], *row) for row in columns)
    with gzip.open(made.metadata, "wt", compresslevel=1, encoding="utf-8") as file:
        file.writelines(_metadata(rng, items))
    with made.images.open("wb") as file:
        file.writelines(_images(rng, items))
    return made


def _pairs(
    rng: np.random.Generator, users: int, items: int, rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """About ``rows`` pairs without repeats; three of four lie in the user's group of items."""
    degree = 5 + rng.geometric(1 / max(1.0, rows / users - 5), users)
    user = np.repeat(np.arange(users), degree)[: 2 * rows]
    group = rng.integers(0, 4, users)[user]
    item = rng.integers(0, items, len(user))
    inside = np.minimum(item // 4 * 4 + group, items - 1)
    item = np.where(rng.random(len(user)) < 0.75, inside, item)
    pair = np.unique(user * items + item)
    return pair // items, pair % items


def _user(number: int) -> str:
    return f"A{number:013d}"


def _asin(number: int) -> str:
    return f"B{number:09d}"


def _words(rng: np.random.Generator, count: int) -> str:
    return " ".join(_WORDS[at] for at in rng.integers(0, len(_WORDS), count))


def _review(text: str, user: int, item: int, rating: int, time: int) -> str:
    record = {
        "reviewerID": _user(user), "asin": _asin(item), "helpful": [0, 0],
        "reviewText": text, "overall": float(rating), "unixReviewTime": time,
    }  # fmt: skip
    return json.dumps(record) + "\n"


def _metadata(rng: np.random.Generator, items: int) -> Iterator[str]:
    """A record an item, and one for every third of products that nobody has rated."""
    for number in range(items + items // 3):
        if number % 61 == 60:
            continue
        record: dict[str, object] = {"asin": _asin(number)}
        if number % 23:
            record["title"] = f"{_words(rng, 4)} {_WORDS[number % 4]} it's {number}"
        if number % 3:
            record["brand"] = f"brand\t{number % 17}"
        record["categories"] = [["All", f"Group {number % 4}"], ["Sale"]]
        if number % 7:
            record["description"] = f"{_words(rng, 30)}\n{_words(rng, 10)}"
        record["related"] = {"also_viewed": [_asin(int(at)) for at in rng.integers(0, items, 20)]}
        yield f"{record!r}\n"


def _images(rng: np.random.Generator, items: int) -> Iterator[bytes]:
    """Sparse non-negative rows around the centre of a group; one item in 29 has none."""
    centre = rng.random((4, 4096), dtype=np.float32)
    for first in range(0, items, _IMAGES):
        number = np.arange(first, min(first + _IMAGES, items))
        x = np.maximum(0, centre[number % 4] - rng.random((len(number), 4096), dtype=np.float32))
        for row, one in zip(number, x.astype("<f4"), strict=True):
            if row % 29 != 28:
                yield _asin(int(row)).encode("ascii") + one.tobytes()
