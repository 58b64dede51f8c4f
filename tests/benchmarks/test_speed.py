"""The speed benchmark runs, and its numbers say what they claim; no timing is asserted."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from mrdib_graph.backbones.late_fusion import LateFusion

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


def test_the_timer_alternates_and_drops_the_first_call(speed: ModuleType) -> None:
    calls: list[str] = []
    now = iter([0.0, 9.0, 1.0, 3.0, 4.0, 5.0, 6.0, 10.0, 11.0, 12.0])

    timer = speed.Timer("wall", 2)
    timer.clock = lambda: next(now)
    # the warm-up asks the clock once per function, each repeat twice
    seconds = timer(lambda: calls.append("a"), lambda: calls.append("b"))
    assert calls == ["a", "b"] * 3
    assert seconds == [pytest.approx((2.0 + 4.0) / 2), pytest.approx(1.0)]


def test_the_timer_stops_when_its_time_is_spent(speed: ModuleType) -> None:
    calls: list[str] = []
    timer = speed.Timer("wall", 9, seconds=0.0)
    assert timer(lambda: calls.append("a"))[0] >= 0
    assert calls == ["a", "a"]  # the warm-up and the one that is always timed


def test_kernels_are_timed_and_nothing_else(load_job) -> None:
    kernels = load_job("speed_kernels")
    ticks = iter(range(100))
    watch = kernels.KernelTime(lambda: float(next(ticks)))
    weight = torch.randn(3, 3, requires_grad=True)

    def step() -> None:
        torch.autograd.backward((torch.randn(2, 3) @ weight).exp().sum())

    run = watch.watch(step)
    run()
    run()
    # one product forward, one backward, since the left factor needs no gradient
    assert watch.seconds == [2.0, 2.0]


def test_names_with_late_add_the_codes_of_late_fusion(load_job) -> None:
    shapes, rows = load_job("shapes"), load_job("speed_rows")
    data = shapes.make_graph(shapes.SHAPES["tiny"], {"a": 4})
    training = rows.Training("lightgcn-late", data, mrdib=True)
    assert isinstance(training.recommender.backbone, LateFusion)
    training.first_steps()
    assert training.at == 2


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


def test_training_takes_steps_on_the_batches_in_turn(load_job) -> None:
    shapes, rows = load_job("shapes"), load_job("speed_rows")
    training = rows.Training("lightgcn", shapes.make_graph(shapes.SHAPES["tiny"], {"a": 4}))
    before = training.recommender.tables(training.data)[0].clone()
    training.first_steps()
    assert training.at == 2
    assert not bool((training.recommender.tables(training.data)[0] == before).all())
