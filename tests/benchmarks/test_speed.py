"""The speed benchmark runs, and its numbers say what they claim; no timing is asserted."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "speed.py"


@pytest.fixture(scope="module")
def speed(load_job) -> ModuleType:
    module: ModuleType = load_job("speed")
    return module


def test_a_target_is_met_on_the_right_side(speed: ModuleType) -> None:
    assert speed.Row("a", 8.0, "ratio", 8, at_most=False).meets is True
    assert speed.Row("a", 7.9, "ratio", 8, at_most=False).meets is False
    assert speed.Row("a", 1.5, "ratio", 1.5).meets is True
    assert speed.Row("a", 1.6, "ratio", 1.5).meets is False
    assert speed.Row("a", 1.6, "ratio").meets is None


@pytest.mark.slow
def test_the_command_writes_rows_and_costs(tmp_path: Path) -> None:
    out = tmp_path / "speed.json"
    command = [sys.executable, str(SCRIPT), "--shape", "tiny", "--backbone", "lightgcn,freedom"]
    command += ["--repeats", "1", "--threads", "1", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(out.read_text(encoding="utf-8"))
    assert {"name", "value", "unit", "target", "meets"} <= set(found["rows"][0])
    assert all(row["value"] > 0 or "overhead" in row["name"] for row in found["rows"])
    costs = {cost["backbone"]: cost for cost in found["backbones"]}
    assert costs["lightgcn"]["parameters"] == 64 * (300 + 200)
    assert "ItemKNNGraph" in costs["freedom"]["graphs"]
    assert all(cost["memory_mb"] > 50 and cost["epoch_s"] > 0 for cost in costs.values())
    assert all(cost["over_kernels"] > 1 for cost in costs.values())
    names = {row["name"] for row in found["rows"]}
    assert {f"{name} step over its kernels" for name in costs} <= names
    assert "tracking an epoch to MLflow over a lightgcn epoch" in names
    assert all(name in done.stdout for name in names)
