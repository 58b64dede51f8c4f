"""RecBole's atomic files, converted and read back."""

from pathlib import Path

from harness import BETWEEN, Target, parts, write

from mrdib_graph.datasets import MMRecFolder, convert


def read(folder: Path, data: bytes) -> None:
    raw = folder / "raw"
    raw.mkdir()
    write(raw, parts(data, ("set.inter", "set.item")))
    convert("recbole", raw, folder / "made", split="random", deduplicate=True)
    assert len(MMRecFolder(folder / "made").item_ids or [1])
    MMRecFolder(folder / "made")[0]


INTER = (
    b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    + b"".join(b"u%d\ti%d\t3\t8\n" % (n // 4, n % 4) for n in range(12))
)  # fmt: skip
ITEM = (
    b"item_id:token\ttitle:token_seq\tyear:token\timage:float_seq\n"
    + b"".join(b"i%d\tA title\t1999\t1 %d.5 -1e3\n" % (n, n) for n in range(5))
)  # fmt: skip
TARGET = Target(
    "recbole",
    read,
    lambda: [INTER, INTER + BETWEEN + ITEM],
    (b":token", b":float", b":float_seq", b":token_seq", BETWEEN),
)
