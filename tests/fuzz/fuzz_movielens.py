"""MovieLens-100K and -1M, converted and read back."""

from pathlib import Path

from harness import BETWEEN, Target, parts, write

from mrdib_graph.datasets import MMRecFolder, convert

FLAGS = b"|".join([b"0"] * 18 + [b"1"])
OLD = b"".join(b"%d\t%d\t3\t88125%d\n" % (1 + n // 4, 1 + n % 4, n) for n in range(12))
FILMS = b"".join(b"%d|T\xe9 (1995)|01-Jan-1995||http://a|%b\n" % (1 + n, FLAGS) for n in range(5))
NEW = b"".join(b"%d::%d::3::97830%d\n" % (1 + n // 4, 1 + n % 4, n) for n in range(12))
MOVIES = b"".join(b"%d::A film (2000)::Action|Children's\n" % (1 + n) for n in range(5))


def read(folder: Path, data: bytes) -> None:
    raw = folder / "raw"
    raw.mkdir()
    names = ("ratings.dat", "movies.dat") if b"::" in data[:40] else ("u.data", "u.item")
    write(raw, parts(data, names))
    convert("movielens", raw, folder / "made", split="random", deduplicate=True)
    MMRecFolder(folder / "made")[0]


TARGET = Target(
    "movielens",
    read,
    lambda: [OLD + BETWEEN + FILMS, NEW + BETWEEN + MOVIES],
    (b"::", b"|", b"|0|1", BETWEEN),
)
