"""A training step and the tables at 20,000 items, each backbone in a process that is measured."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mrdib_graph import backbones, resolver
from mrdib_graph.backbones import Backbone

ROOT = Path(__file__).resolve().parents[2]
ITEMS = 20_000
MATRIX_MB = 4 * ITEMS**2 / 2**20
"""1526: one [I, I] tensor of float32; dense releases hold several."""

LIMIT_MB = 0.4 * MATRIX_MB
"""What a process may take beyond data and imports.  MENTOR takes two thirds of it."""

SCRIPT = """
import json, os, resource, sys, traceback
import torch
torch.set_num_threads(1)
from mrdib_graph import backbones, resolver
from mrdib_graph.backbones import Backbone
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import tiny_data
from mrdib_graph.typing import Triplets

def status_mb(name):  # not ru_maxrss: a child starts with the value of its parent
    return int(open("/proc/self/status").read().split(name + ":")[1].split()[0]) / 1024

def train(name):
    if name == "dense":  # what the test has to see
        torch.ones(ITEMS, ITEMS)
        return
    cls = resolver.resolve_class(name, backbones, Backbone, "backbone")
    backbone = cls.from_data(DATA, embedding_dim=8)
    recommender, data = Recommender(backbone).train(), backbone.prepare(DATA)
    recommender.prepare_epoch(data, 0, torch.Generator().manual_seed(0))
    row = torch.arange(64)
    terms = recommender.loss(data, Triplets(row, row, row.unsqueeze(1) + 1))
    recommender.total(terms).backward()
    recommender.tables(data)

ITEMS, LIMIT_MB = int(sys.argv[1]), float(sys.argv[2])
DATA = tiny_data(100, ITEMS)
for name in sys.argv[3:]:
    if child := os.fork():  # its peak starts with what this process holds now
        os.waitpid(child, 0)
        continue
    before = status_mb("VmHWM")
    cap = int((status_mb("VmData") + LIMIT_MB) * 2**20)
    error = None
    if name == "capped":
        name = "dense"
        resource.setrlimit(resource.RLIMIT_DATA, (cap, cap))
    elif name != "dense":
        resource.setrlimit(resource.RLIMIT_DATA, (cap, cap))
    try:
        train(name)
    except BaseException:
        error = traceback.format_exc()
    result = {"name": name, "mb": status_mb("VmHWM") - before, "error": error}
    print(json.dumps(result), flush=True)
    os._exit(0)
"""


def measure(*names: str) -> list[dict]:
    command = [sys.executable, "-c", SCRIPT, str(ITEMS), str(LIMIT_MB), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return [json.loads(line) for line in done.stdout.splitlines()]


NAMES = sorted(resolver.choices(backbones, Backbone))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs Linux's /proc"),
]


@pytest.fixture(scope="module")
def measured() -> dict[str, dict]:
    """Each backbone in a child of one process that has imported the library."""
    return {found["name"]: found for found in measure(*NAMES)}


@pytest.mark.parametrize("name", NAMES)
def test_no_item_by_item_tensor_is_formed(name: str, measured: dict[str, dict]) -> None:
    found = measured[name]
    assert found["error"] is None, found["error"]
    assert 0 < found["mb"] < LIMIT_MB


def test_such_a_tensor_would_be_seen_and_refused() -> None:
    seen, capped = measure("dense", "capped")
    assert seen["error"] is None and seen["mb"] > 0.9 * MATRIX_MB
    assert "allocate memory" in capped["error"] and capped["mb"] < LIMIT_MB
