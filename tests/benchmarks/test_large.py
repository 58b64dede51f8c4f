"""The benchmark of large catalogues, at a small size."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "large.py"
SIZES = ["--users", "60", "--items", "50", "--pairs", "600", "--batch-size", "200"]


@pytest.fixture(scope="module")
def large(load_job) -> ModuleType:
    module: ModuleType = load_job("large")
    return module


@pytest.mark.parametrize("name", ["lightgcn", "vbpr", "lattice", "lattice-learned"])
def test_an_epoch_is_trained_and_every_stage_told(large: ModuleType, name: str, load_job) -> None:
    shape = load_job("shapes").Shape(60, 50, 600)
    found = large.run(name, shape, 200, 0)
    assert (found["steps"], found["steps_of_an_epoch"], found["pairs"]) == (3, 3, 600)
    assert [row["stage"] for row in found["stages"]] == [
        "generate", "build the graphs", "first step", "rest of the epoch", "tables",
    ]  # fmt: skip
    with_graphs = name.startswith("lattice")
    assert found["recall"] == ({"image": 1.0, "text": 1.0} if with_graphs else {})
    assert found["losses"][0] != found["losses"][1]
    peaks = [row["peak_gb"] for row in found["stages"]]
    assert peaks == sorted(peaks) and found["peak_gb"] == peaks[-1] > 0.05


def test_an_epoch_can_be_cut(large: ModuleType, load_job) -> None:
    found = large.run("vbpr", load_job("shapes").Shape(60, 50, 600), 200, 2)
    assert (found["steps"], found["steps_of_an_epoch"]) == (2, 3)
    assert found["stages"][3]["stage"] == "steps 2 to 2"


def test_a_search_alone(large: ModuleType) -> None:
    found = large.search_cost(300, 8)
    assert (found["items"], found["width"], found["recall"]) == (300, 8, 1.0)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "RLIMIT_DATA"), reason="needs RLIMIT_DATA")
def test_the_command_keeps_earlier_rows_and_the_limit_holds(tmp_path: Path) -> None:
    out = tmp_path / "large.json"
    command = [sys.executable, str(SCRIPT), *SIZES, "--threads", "1", "--out", str(out)]
    subprocess.run([*command, "--backbone", "vbpr"], capture_output=True, check=True)
    done = subprocess.run(
        [*command, "--backbone", "lightgcn", "--searches", "200:4"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(out.read_text(encoding="utf-8"))
    assert [row["backbone"] for row in found["rows"]] == ["vbpr", "lightgcn"]
    assert found["searches"][0]["items"] == 200 and "lightgcn, 3 of 3 steps" in done.stdout
    small = [*command, "--backbone", "vbpr", "--limit-gb", "0.02"]
    refused = subprocess.run(small, capture_output=True, text=True)
    assert refused.returncode != 0
