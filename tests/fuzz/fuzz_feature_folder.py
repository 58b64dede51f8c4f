"""Feature rows with the record of their origin, ``<modality>_feat.npy`` and ``.json``."""

import json
import tempfile
from pathlib import Path

import torch
from harness import BETWEEN, Target, parts, write

from mrdib_graph.features import (
    Features,
    Provenance,
    load_features,
    read_provenance,
    write_features,
)
from mrdib_graph.features.digests import tensor_digest

NAMES = ("text_feat.json", "text_feat.npy")


def read(folder: Path, data: bytes) -> None:
    write(folder, parts(data, NAMES))
    record = read_provenance(folder, "text", check=False)
    assert json.loads(record.to_json())
    record.flat()
    features = load_features(folder, "text")
    assert features.x.size(0) == int(features.mask.sum())


def seeds() -> list[bytes]:
    x = torch.arange(6.0).view(3, 2)
    record = Provenance(
        "test", "none 1", "mean", 2, "float32", 4, (1,), "a" * 64, tensor_digest(x), None,
        {"seed": 0}, "2026-01-01T00:00:00+00:00", "0.1.0",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        mask = torch.tensor([True, False, True, True])
        write_features(folder, "text", Features(x, mask, record))
        return [BETWEEN.join((Path(folder) / name).read_bytes() for name in NAMES)]


TARGET = Target(
    "feature_folder",
    read,
    seeds,
    (b"null", b"[1]", b"1e9", b"true", b'"num_items": ', b'"dtype": ', BETWEEN),
)
