"""A training step and an evaluation at 20,000 items, in a process whose peak memory is read."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import torch
torch.set_num_threads(1)
from mrdib_graph.backbones import LATTICE
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing import tiny_data
from mrdib_graph.typing import Triplets

def peak_mb():  # not ru_maxrss: a child starts with the value of its parent
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024

data = tiny_data(100, 20_000)
before = peak_mb()
backbone = LATTICE.from_data(data, embedding_dim=8)
recommender, data = Recommender(backbone).train(), backbone.prepare(data)
row = torch.arange(64)
batch = Triplets(row, row, row.unsqueeze(1) + 1)
for _ in range(2):
    recommender.loss(data, batch)["ranking"].backward()
recommender.tables(data)
print(peak_mb() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs Linux's /proc")
def test_lattice_forms_no_item_by_item_tensor() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, cwd=ROOT
    )
    matrix_mb = 4 * 20_000**2 / 2**20  # 1526: one dense matrix; dense releases hold five
    assert float(done.stdout) < 0.6 * matrix_mb
