"""MicroLens: pairs and titles in CSV with features, converted and read back."""

from pathlib import Path

from harness import BETWEEN, Target, npy, parts, write

from mrdib_graph.datasets import MMRecFolder, convert

NAMES = ("a_pairs.csv", "a_titles.csv", "a_image_features_x.npy")
PAIRS = b"user,item,timestamp\n" + b"".join(
    b"u%d,%d,15880%d\n" % (n // 4, 1 + n % 4, n) for n in range(12)
)
TITLES = b'item,title\n1,"A ""title"", of\ntwo lines"\n2,B\n3,\n4,D\n'


def read(folder: Path, data: bytes) -> None:
    raw = folder / "raw"
    raw.mkdir()
    write(raw, parts(data, NAMES))
    convert("microlens", raw, folder / "made", split="leave_last_out", deduplicate=True)
    MMRecFolder(folder / "made")[0]


TARGET = Target(
    "microlens",
    read,
    lambda: [PAIRS, BETWEEN.join((PAIRS, TITLES, npy((5, 2), bytes(range(40)))))],
    (b'""', b'"', b",,", b"user,item,timestamp", BETWEEN),
)
