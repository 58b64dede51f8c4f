"""The benchmark of large catalogues, at a small size."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mrdib_graph.errors import ConfigError

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "large.py"
SIZES = ["--users", "60", "--items", "50", "--pairs", "600", "--batch-size", "200"]


@pytest.fixture(scope="module")
def large(load_job) -> ModuleType:
    module: ModuleType = load_job("large")
    return module


def plan(large: ModuleType, name: str, **others):
    widths = {"image": 16, "text": 8}
    return large.Plan(name, large.Shape(60, 50, 600), widths, 200, **others)


@pytest.mark.parametrize("name", ["lightgcn", "vbpr", "lattice", "lattice-frozen"])
def test_an_epoch_is_trained_and_every_stage_told(large: ModuleType, name: str) -> None:
    found = large.run(plan(large, name, evaluate=20))
    assert (found["steps"], found["steps_of_an_epoch"], found["pairs"]) == (3, 3, 600)
    assert [row["stage"] for row in found["stages"]] == [
        "generate", "build the graphs", "first step", "steps 2 to 3", "tables", "evaluate 20 users",
    ]  # fmt: skip
    with_graphs = name.startswith("lattice")
    assert found["recall"] == ({"image": 1.0, "text": 1.0} if with_graphs else {})
    assert found["losses"][0] != found["losses"][1]
    assert 0 < found["recall@20"] <= 1
    peaks = [row["peak_gb"] for row in found["stages"]]
    assert peaks == sorted(peaks) and found["peak_gb"] == peaks[-1] > 0.05


def test_the_frozen_graph_is_all_that_lattice_frozen_has(large: ModuleType) -> None:
    frozen, learned = (large.run(plan(large, f"lattice{name}")) for name in ("-frozen", ""))
    assert frozen["options"] == {"mix": 1.0, "search": "auto"}
    assert learned["options"] == {"search": "auto"}
    assert frozen["losses"] != learned["losses"]


def test_an_epoch_can_be_cut_and_the_rest_is_told_from_its_steps(
    large: ModuleType, monkeypatch
) -> None:
    class Clock(large.Stages):
        def done(self, name: str) -> None:
            super().done(name)
            self.rows[-1]["cpu_s"] = {"first step": 5.0, "steps 2 to 2": 3.0}.get(name, 100.0)

    monkeypatch.setattr(large, "Stages", Clock)
    found = large.run(plan(large, "vbpr", max_steps=2))
    assert (found["steps"], found["steps_of_an_epoch"]) == (2, 3)
    assert found["epoch_cpu_s"] == 5.0 + 2 * 3.0


def test_the_learned_search_is_timed_each_way(large: ModuleType) -> None:
    found = large.run(plan(large, "lattice", learned=("exact", "auto")))
    told = [(row["modality"], row["search"], row["items"]) for row in found["learned"]]
    assert told == [(m, search, 50) for m in ("image", "text") for search in ("exact", "auto")]
    assert {row["recall"] for row in found["learned"]} == {1.0}


def test_a_search_alone(large: ModuleType) -> None:
    found = large.search_cost(300, 8, "exact")
    assert (found["items"], found["width"], found["recall"]) == (300, 8, 1.0)


def test_a_named_shape_has_its_counts_and_widths(large: ModuleType, monkeypatch) -> None:
    seen = []

    def apart(function, plan_of_run, limit_gb):
        seen.append(plan_of_run)
        assert function is large.run and limit_gb == 16
        return large.run(plan(large, "vbpr"))

    monkeypatch.setattr(large, "run_apart", apart)
    large.main(["--shape", "electronics", "--backbone", "lattice", "--learned", "exact,auto"])
    [made] = seen
    assert (made.name, made.shape.items) == ("lattice", 63_001)
    assert made.widths == {"image": 4096, "text": 384}
    assert (made.search, made.learned) == ("auto", ("exact", "auto"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--max-steps", "1"], "--max-steps: got 1, expected 0, or 2 or more"),
        (["--learned", "exact,fais"], "search: got 'fais'"),
        (["--searches", "200:4:exakt"], "search: got 'exakt'"),
    ],
)
def test_wrong_flags_are_named_before_anything_is_made(
    large: ModuleType, monkeypatch, flags: list[str], message: str
) -> None:
    monkeypatch.setattr(large, "run_apart", lambda *_, **__: pytest.fail("a run was started"))
    with pytest.raises(ConfigError, match=message):
        large.main([*SIZES, "--backbone", "vbpr", *flags])


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "RLIMIT_DATA"), reason="needs RLIMIT_DATA")
def test_the_command_keeps_earlier_rows_and_the_limit_holds(tmp_path: Path) -> None:
    out = tmp_path / "large.json"
    command = [sys.executable, str(SCRIPT), *SIZES, "--threads", "1", "--out", str(out)]
    subprocess.run([*command, "--backbone", "vbpr"], capture_output=True, check=True)
    done = subprocess.run(
        [*command, "--backbone", "lightgcn", "--searches", "200:4:exact"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(out.read_text(encoding="utf-8"))
    assert [row["backbone"] for row in found["rows"]] == ["vbpr", "lightgcn"]
    assert found["searches"][0]["items"] == 200 and "lightgcn, 3 of 3 steps" in done.stdout
    small = [*command, "--backbone", "vbpr", "--limit-gb", "0.02"]
    refused = subprocess.run(small, capture_output=True, text=True)
    assert refused.returncode != 0
