"""A whole folder: interactions, features, mappings and texts."""

from pathlib import Path

from harness import BETWEEN, Target, npy, parts, write

from mrdib_graph.datasets import MMRecFolder
from mrdib_graph.transforms import split_leaks

NAMES = ("shop.inter", "text_feat.npy", "u_id_mapping.csv", "i_id_mapping.csv", "items.tsv")
INTER = b"userID\titemID\tx_label\n" + b"".join(
    b"%d\t%d\t%d\n" % (n // 4, n % 4, max(0, n % 4 - 1)) for n in range(12)
)
FILES = (
    INTER,
    npy((4, 2), bytes(range(32))),
    b"user_id\tuserID\nA\t0\nB\t1\nC\t2\n",
    b"asin\titemID\n7\t0\n9\t1\n8\t2\n11\t3\n",
    b"itemID\ttitle\ttext\n0\tT\tx\n1\t\t\n2\tU\ty\n3\tV\tz\n",
)


def read(folder: Path, data: bytes) -> None:
    shop = folder / "shop"
    shop.mkdir()
    write(shop, parts(data, NAMES))
    for split in ("given", "random"):
        dataset = MMRecFolder(folder, "shop", split=split, allow_integers=True)
        split_leaks(dataset[0])
        assert len(dataset.digest) == 64
        assert dataset.item_names is None or dataset.item_texts is None or dataset.item_ids


TARGET = Target(
    "mmrec_folder",
    read,
    lambda: [
        INTER,
        BETWEEN.join(FILES[:2]),
        BETWEEN.join(FILES),
        BETWEEN.join((*FILES[:2], b"user_id\tuserID\nA\t" + b"1" * 5000)),
    ],
    (b"userID", b"itemID", b"x_label", b"\ttitle", b"\ttext", BETWEEN),
)
