"""The small grids: every arm gets every point, only validation is shown."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mrdib_graph.datasets import Planted
from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import Evaluator
from mrdib_graph.experiment import build_arm, open_dataset, train_arm
from mrdib_graph.tuning import read_trials

GRID = Path(__file__).resolve().parents[2] / "benchmarks" / "grid.py"
LINE = re.compile(r"^(vbpr) (bare|mrdib) (\{.*\}): (0\.\d{4}) \(epochs (.*)\)$", re.MULTILINE)
BEST = re.compile(r"^best of vbpr (bare|mrdib): (\{.*\}) with validation recall@20 (0\.\d{4})$")


@pytest.fixture(scope="module")
def grid(main_job: ModuleType, load_job) -> ModuleType:
    return load_job("grid")


def search(grid: ModuleType, *flags: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        grid.main(list(flags))
    return out.getvalue()


def test_points_are_every_value_with_every_other(grid: ModuleType) -> None:
    assert grid.parse_grid(["a=x"]) == [{"a": "x"}]
    assert grid.parse_grid(["a.b=1,2", "c=3,4"]) == [
        {"a.b": b, "c": c} for b in ("1", "2") for c in ("3", "4")
    ]
    for text in ("reg_fused", "reg_fused=", "=1"):
        with pytest.raises(ConfigError, match="expected KEY=VALUE,VALUE"):
            grid.parse_grid([text])


def test_every_arm_at_every_point(grid: ModuleType, tiny_flags: list[str]) -> None:
    flags = (*tiny_flags, "--backbone", "vbpr", "--arms", "bare,mrdib", "--seeds", "0,3")
    axes = ("--grid", "reg_fused=0.0,0.5", "--grid", "trainer.learning_rate=1e-2,1e-3")
    out = search(grid, *flags, *axes)
    found = LINE.findall(out)
    points = [
        str({"reg_fused": reg, "trainer.learning_rate": rate})
        for reg in ("0.0", "0.5")
        for rate in ("1e-2", "1e-3")
    ]
    assert [(arm, point) for _, arm, point, _, _ in found] == [
        (arm, point) for arm in ("bare", "mrdib") for point in points
    ]
    best = [match for line in out.splitlines() if (match := BEST.match(line))]
    assert [match[1] for match in best] == ["bare", "mrdib"]
    for match in best:
        values = {point: value for _, arm, point, value, _ in found if arm == match[1]}
        assert match[3] == max(values.values()) == values[match[2]]
    assert len(out.splitlines()) == len(found) + len(best)  # nothing about test


def test_a_point_is_a_run_with_that_setting(
    grid: ModuleType, main_job: ModuleType, tiny_flags: list[str]
) -> None:
    flags = [*tiny_flags, "--backbone", "vbpr", "--set", "settings.vbpr.options.reg=0.01"]
    flags += ["--learning-rate", "0.05"]
    out = search(grid, *flags, "--arms", "noise", "--grid", "arms.ARM.std=0.0,50.0")
    [(_, _, _, value, _), (_, _, _, noisy, _)] = re.findall(
        r"^(vbpr) (noise) (\{.*\}): (0\.\d{4}) \(epochs (.*)\)$", out, re.MULTILINE
    )
    more = ["--arms", "noise", "--set", "settings.vbpr.arms.noise.std=0.0"]
    config = main_job.read_config(main_job.build_parser().parse_args([*flags, *more]))
    data = open_dataset(config)[0]
    assert data["user"].num_nodes == 120  # the grid keeps what --set says
    arm = train_arm(build_arm(config.settings["vbpr"], "vbpr", "noise"), 0, data, Evaluator(data))
    assert f"{arm.fit.val['recall@20']:.4f}" == value != noisy


def test_a_wrong_key_fails_before_anything_is_read(
    grid: ModuleType, tiny_flags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: object) -> None:
        raise AssertionError("data were read")

    monkeypatch.setattr(Planted, "load", refuse)
    flags = (*tiny_flags, "--backbone", "vbpr", "--arms", "bare,mrdib", "--grid")
    for axis, near in (
        ("reg_fsed=1", "reg_fused"),
        ("options.userside=vector", "user_side"),
        ("arms.mrdib.alpha_k=1", "alpha_kl"),
    ):
        with pytest.raises(ConfigError, match=f"did you mean '{near}'"):
            grid.main([*flags, axis])


def test_as_a_program() -> None:
    command = [sys.executable, str(GRID), "--grids", "reg_fused=1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr == "error: unknown flag --grids; did you mean '--grid'? See grid.py --help\n"


def test_a_table_of_the_points(grid: ModuleType, tiny_flags: list[str], tmp_path: Path) -> None:
    path = tmp_path / "grid.csv"
    flags = [*tiny_flags, "--backbone", "vbpr", "--arms", "bare,mrdib", "--out", str(path)]
    axes = ["--grid", "arms.ARM.reg_fused=0.0,0.1", "--grid", "trainer.lr_decay=0.9,1.0"]
    axes += ["--grid", "arms.mrdib.alpha_kl=0.0"]
    out = search(grid, *flags, *axes)
    trials = read_trials(path)
    assert [(t.arm, t.trial) for t in trials] == [
        (a, n) for a in ("bare", "mrdib") for n in range(4)
    ]
    settings = [{"reg_fused": r, "trainer.lr_decay": d} for r in (0.0, 0.1) for d in (0.9, 1.0)]
    assert [t.settings for t in trials[:4]] == settings  # bare knows nothing of alpha_kl
    assert [t.settings for t in trials[4:]] == [s | {"alpha_kl": 0.0} for s in settings]
    assert [value for *_, value, _ in LINE.findall(out)] == [f"{t.value:.4f}" for t in trials]


def test_a_key_twice_is_refused(grid: ModuleType, tiny_flags: list[str]) -> None:
    axes = ["--grid", "reg_fused=0.1", "--grid", "reg_fused=0.2"]
    with pytest.raises(ConfigError, match="--grid: got reg_fused twice; give its values"):
        grid.main([*tiny_flags, "--backbone", "vbpr", *axes])
