"""Where the raw files of Amazon Reviews are, and what is published about them."""

from __future__ import annotations

import re
from typing import NamedTuple

from mrdib_graph.datasets.amazon.item_text import Compose, compose_2014, compose_2023
from mrdib_graph.datasets.files.raw_files import RawFile
from mrdib_graph.datasets.files.raw_interactions import (
    Reader,
    read_ratings,
    read_ratings_2023,
)
from mrdib_graph.errors import ConfigError, suggest


class Edition(NamedTuple):
    """A release: addresses, paths with ``{}`` for the category, and how its files are read."""

    addresses: tuple[str, ...]
    ratings: str
    read_ratings: Reader
    reviews: str | None
    metadata: str
    key: str
    compose: Compose
    images: str | None


class Published(NamedTuple):
    """Users, items and rows of the 5-core, and the SHA-256 of the ratings file."""

    users: int
    items: int
    rows: int
    checksum: str


EDITIONS = {
    2014: Edition(
        ("https://snap.stanford.edu/data/amazon/productGraph",),
        "categoryFiles/ratings_{}.csv",
        read_ratings,
        "categoryFiles/reviews_{}_5.json.gz",
        "categoryFiles/meta_{}.json.gz",
        "asin",
        compose_2014,
        "image_features/categoryFiles/image_features_{}.b",
    ),
    2023: Edition(
        (
            "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_2023",
            "https://datarepo.eng.ucsd.edu/mcauley_group/data/amazon_2023",
        ),
        "benchmark/5core/rating_only/{}.csv.gz",
        read_ratings_2023,
        None,
        "raw/meta_categories/meta_{}.jsonl.gz",
        "parent_asin",
        compose_2023,
        None,
    ),
}
PUBLISHED = {
    "Baby": Published(
        19_445, 7_050, 160_792,
        "a219f779b2694f660f1ee243f2af71d63c2c9828425e716569faace305e978d1",
    ),
    "Sports_and_Outdoors": Published(
        35_598, 18_357, 296_337,
        "a31a27e2f0cd85b50acd002378cf1a23a0b3f2659484defb3225a836118252d4",
    ),
    "Clothing_Shoes_and_Jewelry": Published(
        39_387, 23_033, 278_677,
        "7bf571cb99abaebf380d2a231986e6df7b622ebd49b308e2506f1c0aab54b29a",
    ),
    "Electronics": Published(
        192_403, 63_001, 1_689_188,
        "a8e5b66b7f5371d1659ff88ae4acec91604125d6850f4f7e1c418120f2f9c16c",
    ),
}  # fmt: skip
"""By category of the 2014 release."""

_CHECKSUMS_2023 = {
    "Video_Games": "a2bde5f3b945960d161538c200dd87845e6ee471b46da96410dde61613c6901c"
}
_SHORT = {"Sports_and_Outdoors": "sports", "Clothing_Shoes_and_Jewelry": "clothing"}


def edition(year: int) -> Edition:
    """The release of a year.

    Raises:
        ConfigError: There is none.
    """
    if year not in EDITIONS:
        raise ConfigError(f"edition: got {year!r}, expected one of {', '.join(map(str, EDITIONS))}")
    return EDITIONS[year]


def folder_name(year: int, category: str) -> str:
    """Name of the data set: ``amazon-baby``, ``amazon-2023-video_games``.

    Raises:
        ConfigError: The category cannot be part of an address, or looks like a slip of a known one.
    """
    if not isinstance(category, str) or not re.fullmatch(r"[A-Za-z0-9_]+", category):
        raise ConfigError(
            f"category: got {category!r}, expected a name of the release such as "
            f"{', '.join(PUBLISHED)}{suggest(str(category), list(PUBLISHED))}"
        )
    if year == 2014:
        return f"amazon-{_SHORT.get(category, category.lower())}"
    return f"amazon-{year}-{category.lower()}"


def raw_files(year: int, category: str, reviews: bool, images: bool) -> dict[str, RawFile]:
    """The raw files to obtain: ``interactions``, ``metadata`` and, where asked for, ``images``.

    Raises:
        ConfigError: The release has no such file.
    """
    release = edition(year)
    pattern = release.reviews if reviews else release.ratings
    if pattern is None:
        raise ConfigError(f"interactions: the {year} edition has no 'reviews'; use 'ratings'")
    published = PUBLISHED.get(category)
    known = published.checksum if published and year == 2014 else None
    known = _CHECKSUMS_2023.get(category) if year == 2023 else known
    files = {
        "interactions": RawFile(pattern.format(category), None if reviews else known),
        "metadata": RawFile(release.metadata.format(category)),
    }
    if images and release.images is not None:
        files["images"] = RawFile(release.images.format(category))
    return files
