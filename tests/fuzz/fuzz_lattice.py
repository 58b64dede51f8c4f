"""LATTICE's JSON with features, numbered anew, converted and read back."""

import contextlib
from pathlib import Path

from harness import BETWEEN, Target, npy, parts, write

from mrdib_graph.datasets import MMRecFolder, convert
from mrdib_graph.errors import MRdIBError

NAMES = ("train.json", "val.json", "test.json", "text_feat.npy")
JSON = (
    b'{"0": [0, 1], "1": [1, 2], "2": [0]}',
    b'{"0": [2], "1": []}',
    b'{"0": [3],\n "1": [0], "9": [1]}',
)
HUGE = (b'{"0": [0], "999999999999999": [1]}', b'{"0": [1]}', b'{"999999999999999": [0]}')


def read(folder: Path, data: bytes) -> None:
    raw = folder / "raw"
    raw.mkdir()
    write(raw, parts(data, NAMES))
    with contextlib.suppress(MRdIBError):  # then anew is another way through
        convert("lattice", raw, folder / "as_is", deduplicate=True)
    convert("lattice", raw, folder / "anew", deduplicate=True, renumber=True)
    MMRecFolder(folder / "anew")[0]


TARGET = Target(
    "lattice",
    read,
    lambda: [
        BETWEEN.join(HUGE),
        BETWEEN.join(JSON),
        BETWEEN.join((*JSON, npy((4, 2), bytes(range(32))))),
    ],
    (b'"0": ', b"[1]", b"Infinity", b"999999999999999999", BETWEEN),
)
