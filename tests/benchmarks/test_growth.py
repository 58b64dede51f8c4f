"""The growth benchmark: slopes against closed forms, and the command at tiny sizes."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "growth.py"


@pytest.fixture(scope="module")
def growth(load_job) -> ModuleType:
    module: ModuleType = load_job("growth")
    return module


def rows(growth: ModuleType, name: str, power: float, memory: float) -> list[dict]:
    made = []
    for shape in growth.SIZES:
        values = dict.fromkeys(growth.VALUES, 3e-6 * shape.pairs**power)
        values["memory_mb"] = 5.0 * shape.pairs**memory
        made.append({"backbone": name, **shape._asdict(), **values})
    return made


def test_sizes_double_edges_and_nodes(growth: ModuleType) -> None:
    assert len(growth.SIZES) == 4
    for small, large in pairwise(growth.SIZES):
        assert tuple(large) == tuple(2 * n for n in small)


def test_a_power_law_has_its_power_as_slope(growth: ModuleType) -> None:
    made = rows(growth, "a", 1.0, 0.5) + rows(growth, "b", 2.0, 1.0) + rows(growth, "c", 1.0, 1.2)
    a, b, c = growth.slopes(made)
    assert (a["step_s"], a["memory_mb"], a["meets"]) == (1.0, 0.5, True)
    assert (b["step_s"], b["epoch_s"], b["meets"]) == (2.0, 2.0, False)
    assert (c["memory_mb"], c["meets"]) == (1.2, False)
    table = growth.table(made).splitlines()
    assert table[2].startswith("| a ") and table[2].endswith("yes                   |")
    assert "no" in table[3] and "no" in table[4]


def test_the_line_is_that_of_least_squares(growth: ModuleType) -> None:
    """ln y = (0, 1, 1) over ln x = (0, 1, 2): the slope is 1/2 whatever the middle."""
    e = 2.718281828459045
    made = [{"pairs": e**x, "a": e**y} for x, y in ((0, 0), (1, 1), (2, 1))]
    assert growth.slope(made, "a") == pytest.approx(0.5)


@pytest.mark.slow
def test_the_command_writes_every_size_and_the_slopes(growth: ModuleType, tmp_path: Path) -> None:
    out, figure = tmp_path / "growth.json", tmp_path / "growth.png"
    command = [sys.executable, str(SCRIPT), "--backbone", "vbpr,mentor", "--sizes", "2"]
    command += ["--shrink", "20", "--out", str(out), "--figure", str(figure)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(out.read_text(encoding="utf-8"))
    names = ["vbpr", *growth.MENTOR, "mentor"]
    assert [(row["backbone"], row["pairs"]) for row in found["rows"]] == [
        (name, pairs) for name in names for pairs in (1250, 2500)
    ]
    assert all(row[v] > 0 for row in found["rows"] for v in ("step_s", "epoch_s", "memory_mb"))
    assert [row["backbone"] for row in found["slopes"]] == names
    assert figure.stat().st_size > 1000 and "| vbpr " in done.stdout
