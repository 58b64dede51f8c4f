"""``provenance.json`` of a built folder."""

import hashlib
import json
from pathlib import Path

from harness import Target

from mrdib_graph.datasets.folder.folder_record import foreign_files, read_record, verify_folder

CONTENT = b"rows"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def read(folder: Path, data: bytes) -> None:
    (folder / "a.inter").write_bytes(CONTENT)
    (folder / "provenance.json").write_bytes(data)
    record = read_record(folder)
    foreign_files(folder, record)
    if record is not None:
        verify_folder(folder, record)


def seeds() -> list[bytes]:
    files = {"a.inter": {"size": len(CONTENT), "sha256": DIGEST}}
    record = {"data_version": 1, "key": "k", "options": {"core": 5}, "files": files}
    others = [record | {"files": {"a.inter": {"size": 4}}}, record | {"files": {"b" * 300: {}}}]
    return [json.dumps(each, indent=2).encode() for each in (record, *others)] + [b"[" * 9999]


TARGET = Target(
    "folder_record",
    read,
    seeds,
    (b'"files": ', b'"key": ', b'"size": 4', b"null", b"../", b"a" * 300, b"[" * 1200),
)
