"""Training on feature tables that private memory cannot hold.

The kernel's limit on private memory (``RLIMIT_DATA``) makes an allocation beyond it fail.  The map
of a feature file counts as private, since it is copied on write, and nothing is copied; so the
limit is the size of the file and what the process may have beside it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TRAIN = """
import json, resource, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from mrdib_graph import Recommender, Trainer, backbones, graph, resolver
from mrdib_graph.datasets import MMRecFolder

folder, name, allowed, scale = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
size = (folder / "image_feat.npy").stat().st_size
limit = size + allowed * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
dataset = MMRecFolder(folder, split="random", scale=scale)
data = dataset[0]
if data.feature_scaling != "none":  # the map of the file is gone, the table lies in another
    resource.setrlimit(resource.RLIMIT_DATA, (allowed * 2**20, allowed * 2**20))
cls = resolver.resolve_class(name, backbones, backbones.Backbone, "backbone")
model = Recommender(cls.from_data(data, embedding_dim=16))
projection = model.backbone.project["image"].linear.weight
start = projection.detach().clone()
fit = Trainer(epochs=2, batch_size=512, quiet=True).fit(model, data)
_, item = model.tables(data)
try:
    data["image"].x.clone()
    copied = True
except (RuntimeError, MemoryError):
    copied = False
print(json.dumps({
    "epochs": fit.epochs,
    "finite": bool(torch.isfinite(item).all()),
    "trained": bool((projection != start).any()),
    "scaling": data.feature_scaling,
    "digest": dataset.digest,
    "copied": copied,
    "mib": size / 2**20,
}))
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="limits private memory as Linux does"),
]


def write_folder(folder: Path, items: int, width: int) -> Path:
    """A data set whose feature file is mostly a hole: one row in a hundred has values."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = ["userID\titemID"]
    for user in range(items // 10):
        near = {(10 * user + step) % items for step in range(10)}
        lines += [f"{user}\t{i}" for i in sorted(near | set(rng.integers(0, items, 5).tolist()))]
    (folder / f"{folder.name}.inter").write_text("\n".join(lines) + "\n", encoding="utf-8")
    shape = (items, width)
    x = np.lib.format.open_memmap(folder / "image_feat.npy", "w+", np.dtype(np.float32), shape)
    for row in range(0, items, 100):
        x[row] = rng.random(width, dtype=np.float32)
    x.flush()
    return folder


def train(folder: Path, backbone: str, allowed: int, scale: str) -> dict[str, object]:
    """Two epochs in a process that may have ``allowed`` MiB beside the map of the feature file."""
    # Arrow's own allocator reserves a GiB of addresses, which count, whether they are used or not
    environment = {
        **os.environ,
        **{"OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"},
        "MRDIB_GRAPH_CACHE": str(folder.parent / "cache"),
    }
    command = [sys.executable, "-c", TRAIN, str(folder), backbone, str(allowed), scale]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3_000:]
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    assert found["copied"] is False, "the limit does not keep a copy of the table out"
    assert found["epochs"] == 2 and found["finite"] and found["trained"]
    return found


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "wide", 20_000, 16_384)


def test_vbpr_trains_on_a_table_of_1250_mib_within_700(wide: Path) -> None:
    found = train(wide, "vbpr", 700, "never")
    assert found["mib"] > 1_249 and found["scaling"] == "none"


def test_scaled_rows_of_such_a_table_need_no_memory_either(wide: Path) -> None:
    found = train(wide, "vbpr", 700, "always")
    assert found["scaling"] == "columns z-scored, rows of norm 1 (always)"
    assert not list((wide.parent / "cache").glob("table-*"))  # the disk has its space back


def test_a_table_is_searched_for_neighbours_and_learned_on_in_blocks(tmp_path: Path) -> None:
    """LATTICE reads every row, for the raw item graph and for the learned one."""
    folder = write_folder(tmp_path / "mid", 2_500, 60_000)
    found = train(folder, "lattice", 640, "never")
    assert found["mib"] > 570
