"""MovieLens-100K and -1M as GroupLens publishes them, with a text for every film."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from mrdib_graph.datasets.conversion.conversion import Conversion, PairCollector
from mrdib_graph.datasets.files.raw_lines import read_text
from mrdib_graph.datasets.files.source_text import (
    check_id,
    check_width,
    listing,
    need_file,
    number,
    one_line,
)
from mrdib_graph.errors import DataError
from mrdib_graph.options import checked

GENRES = (  # u.item has one column for each, in this order
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
)  # fmt: skip
FLAGS_FROM = 5
"""Column of ``u.item`` where the genres begin: id, title, two dates and an address come before."""


class Layout(NamedTuple):
    """File of ratings and of films, the separator of each, and the number of film columns."""

    ratings: str
    rating_separator: str
    films: str
    film_separator: str
    film_fields: int


LAYOUTS = (
    Layout("u.data", "\t", "u.item", "|", FLAGS_FROM + len(GENRES)),
    Layout("ratings.dat", "::", "movies.dat", "::", 3),
)


@checked
def read_movielens(
    source: Path,
    deduplicate: bool = False,
    min_rating: float | None = None,
    encoding: Literal["latin-1", "utf-8"] = "latin-1",
) -> Conversion:
    """Read the unpacked archive of `MovieLens <https://doi.org/10.1145/2827872>`_ 100K or 1M.

    100K is ``u.data`` (user, item, rating, time, separated by tabs) with ``u.item`` (24 columns
    separated by ``|``, the last 19 are genre flags); 1M is ``ratings.dat`` with ``movies.dat``,
    separated by ``::``.  Every rating is a positive unless ``min_rating`` says otherwise.  The
    text of a film is its title, which ends in the year, and its genres.  Films that nobody rated
    are left out and counted.

    Args:
        source: The folder.
        deduplicate: Keep the first of repeated pairs.
        min_rating: Leave out ratings below.
        encoding: ``'latin-1'``, as published, or ``'utf-8'``.

    Raises:
        ConfigError: Another encoding.
        DataError: A file is malformed; the message has its name and the line.
    """
    found = [layout for layout in LAYOUTS if (source / layout.ratings).is_file()]
    if len(found) != 1:
        raise DataError(
            f"{source}: expected either u.data (100K) or ratings.dat (1M), found "
            f"{'both' if found else 'neither'}; {listing(source)}"
        )
    layout = found[0]
    path = source / layout.ratings
    films = need_file(source, layout.films, "the titles and genres that came with the ratings")
    pairs, below = PairCollector(path, timed=True), 0
    for line, (user, item, rating, time) in _fields(path, layout.rating_separator, 4, "utf-8"):
        value, at = (number(path, line, *pair) for pair in (("rating", rating), ("time", time)))
        if min_rating is not None and value < min_rating:
            below += 1
        else:
            pairs.add(line, user, item, at)
    rows = pairs.finish(deduplicate)
    texts = _films(films, layout, encoding)
    lacking = [item for item, raw in enumerate(rows.item_ids) if raw not in texts]
    if lacking:
        raise DataError(
            f"{path}: line {rows.line_of(lacking[0])}: the film {rows.item_ids[lacking[0]]!r} "
            f"is not in {films.name}, and {len(lacking)} films in all are not; the two files must "
            "be of one archive"
        )
    columns = zip(*(texts[raw] for raw in rows.item_ids), strict=True)
    dropped = {
        "rows below min_rating": below,
        "items without a row": len(texts) - len(rows.item_ids),
    }
    titles, content = map(list, columns)
    return rows.conversion([path, films], dropped, {"title": titles, "text": content})


def _fields(
    path: Path, separator: str, count: int, encoding: str
) -> Iterator[tuple[int, list[str]]]:
    for line, text in read_text(path, encoding):
        fields = text.split(separator)
        check_width(path, line, fields, count, f"{separator!r}, as in the published file")
        yield line, fields


def _films(path: Path, layout: Layout, encoding: str) -> dict[str, tuple[str, str]]:
    """Raw id to title and text."""
    films: dict[str, tuple[str, str]] = {}
    for line, fields in _fields(path, layout.film_separator, layout.film_fields, encoding):
        raw = check_id(path, line, "film", fields[0])
        if raw in films:
            raise DataError(f"{path}: line {line} repeats the film {raw!r}")
        title = one_line(fields[1])
        films[raw] = title, one_line(f"{title} {' '.join(_genres(path, line, fields))}")
    return films


def _genres(path: Path, line: int, fields: list[str]) -> list[str]:
    if len(fields) == 3:
        return fields[2].split("|")
    flags = fields[FLAGS_FROM:]
    wrong = [flag for flag in flags if flag not in ("0", "1")]
    if wrong:
        raise DataError(
            f"{path}: line {line}: got the genre flag {wrong[0][:60]!r}, expected 0 or 1 in each "
            f"of the last {len(GENRES)} columns"
        )
    return [genre for genre, flag in zip(GENRES, flags, strict=True) if flag == "1"]
