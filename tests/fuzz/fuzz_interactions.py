"""``.inter`` files and the checks of their rows."""

from pathlib import Path

from harness import Target

from mrdib_graph.datasets.folder.interaction_checks import (
    check_dense,
    drop_unseen_users,
    unique_pairs,
)
from mrdib_graph.datasets.folder.interaction_file import read_interactions

HEADER = b"userID\titemID\tx_label\n"


def read(folder: Path, data: bytes) -> None:
    path = folder / "a.inter"
    path.write_bytes(data)
    rows = read_interactions(path, need_label=False)
    assert len({len(column) for column in rows if column is not None}) == 1
    check_dense(path, rows.user, "userID")
    check_dense(path, rows.item, "itemID")
    rows = unique_pairs(path, rows, deduplicate=True)
    if rows.label is not None:
        drop_unseen_users(path, rows)


TARGET = Target(
    "interactions",
    read,
    lambda: [
        HEADER + b"".join(b"0\t%d\t0\n" % i for i in range(300)),
        HEADER + b"0\t" + b"9" * 5000 + b"\t0\n",
    ],
    (b"userID", b"itemID", b"x_label", b"timestamp", b"\r\n", b"0x1", b"1.5"),
)
