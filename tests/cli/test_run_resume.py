"""A run is stopped and goes on to the same result; a configuration gives the same numbers again."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mrdib_graph.experiment import run_tracking
from mrdib_graph.training.state import TrainingState

FLAGS = ("--backbone", "lattice", "--arms", "bare,mrdib", "--alpha-kl", "0.01")
FLAGS += ("--epochs", "4", "--baselines", "popularity")
EPOCHS, ARMS, BATCH = 4, 3, 512  # bare, mrdib, and bare-late, its fair partner

pytestmark = pytest.mark.usefixtures("quick")


def without_times(folder: Path) -> dict[str, Any]:
    """``results.json`` without what may differ: times, memory, paths, state of the checkout."""
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    del results["environment"], results["config"]["out"]
    for arm in results["arms"]:
        for seed in arm["seeds"]:
            del seed["seconds_per_epoch"], seed["peak_memory_mb"]
    return dict(results)


def same(one: Path, other: Path) -> bool:
    """Equal results, to the last bit of every user's metrics."""
    frames = [pd.read_parquet(folder / "per_user.parquet") for folder in (one, other)]
    return without_times(one) == without_times(other) and frames[0].equals(frames[1])


@pytest.fixture(scope="module")
def whole(tiny_job, quick, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    done = tiny_job(*FLAGS, "--out", folder)
    assert done.status == 0, done.err
    return Path(folder)


def test_the_written_configuration_gives_the_same_numbers(job, whole: Path, tmp_path: Path) -> None:
    done = job("--config", whole / "config.yaml", "--out", tmp_path / "again")
    assert done.status == 0, done.err
    assert same(whole, tmp_path / "again")
    other = (tmp_path / "again" / "config.yaml").read_text().replace(str(tmp_path / "again"), "")
    assert other == (whole / "config.yaml").read_text().replace(str(whole), "")


def test_another_seed_gives_other_numbers(tiny_job, whole: Path, tmp_path: Path) -> None:
    done = tiny_job(*FLAGS, "--seeds", "1,0", "--out", tmp_path / "run")
    assert done.status == 0, done.err
    one, other = (without_times(folder)["arms"] for folder in (whole, tmp_path / "run"))
    assert one[1]["seeds"][0] == other[1]["seeds"][1]  # seed 0 is seed 0 wherever it stands
    assert one[1]["seeds"][0]["test"] != other[1]["seeds"][0]["test"]


slow = pytest.mark.slow


@pytest.mark.parametrize(
    "part", [pytest.param(0.0, marks=slow), 0.2, pytest.param(0.5, marks=slow), 0.7, 1.0]
)
def test_ctrl_c_at_a_step(
    part: float, tiny_job, job, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first step, in the middle of an epoch, in either arm, and at the last step of all."""
    rows = without_times(whole)["dataset"]["counts"]["train"]
    steps = math.ceil(rows / BATCH) * EPOCHS * ARMS
    stop = 1 + round(part * (steps - 1))
    counted, end_step = [0], TrainingState.end_step

    def interrupting(self: TrainingState, terms: Any) -> None:
        end_step(self, terms)
        counted[0] += 1
        if counted[0] == stop:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(TrainingState, "end_step", interrupting)
    folder = tmp_path / "run"
    done = tiny_job(*FLAGS, "--out", folder)
    assert done.status == 130 and counted[0] == stop
    line = f"Continue with:  mrdib-graph run --resume {folder}"
    assert line in done.err and "Traceback" not in done.err
    assert not (folder / "results.json").exists() and (folder / "config.yaml").is_file()
    done = job("--resume", folder)
    assert done.status == 0, done.err
    assert same(whole, folder)
    assert counted[0] == steps  # no step was run twice


def test_ctrl_c_between_two_arms(
    tiny_job, job, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_tracking, "trained", interrupt)
        done = tiny_job(*FLAGS, "--out", tmp_path / "run")
    assert done.status == 130 and "--resume" in done.err
    assert job("--resume", tmp_path / "run").status == 0
    assert same(whole, tmp_path / "run")


def test_a_finished_run_resumes_to_itself(job, whole: Path) -> None:
    before = without_times(whole)
    assert job("--resume", whole).status == 0
    assert without_times(whole) == before


def test_other_settings_do_not_go_on_from_a_checkpoint(tiny_job, job, tmp_path: Path) -> None:
    flags = ("--backbone", "vbpr", "--arms", "bare", "--out", tmp_path / "run")
    assert tiny_job(*flags).status == 0
    done = job("--resume", tmp_path / "run", "--batch-size", "64")
    assert done.status == 2 and "batch_size was 512 when the run began" in done.err


def test_a_damaged_checkpoint_is_named(tiny_job, job, tmp_path: Path) -> None:
    flags = ("--backbone", "vbpr", "--arms", "bare", "--out", tmp_path / "run")
    assert tiny_job(*flags).status == 0
    path = tmp_path / "run" / "checkpoints" / "vbpr-bare-seed0.ckpt"
    path.write_bytes(path.read_bytes()[:-9])
    done = job("--resume", tmp_path / "run")
    assert done.status == 1 and str(path) in done.err and "damaged" in done.err


def start(*flags: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mrdib_graph", "run", *(str(f) for f in flags)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Until a file is there."""
    limit = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None and time.monotonic() < limit, process.communicate()
        time.sleep(0.01)


LONG = ("--backbone", "lattice", "--arms", "bare,mrdib", "--epochs", "60", "--patience", "60")


@pytest.fixture(scope="module")
def long(tiny_job, quick, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As ``whole``, with epochs enough to be hit by a signal in one."""
    folder = tmp_path_factory.mktemp("long") / "run"
    done = tiny_job(*LONG, "--out", folder)
    assert done.status == 0, done.err
    return Path(folder)


def test_a_signal_from_outside(tiny_flags, job, long: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start(*tiny_flags, *LONG, "--out", folder)
    wait_for(folder / "config.yaml", process)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert f"--resume {folder}" in err and "Traceback" not in err and err.count("\n") <= 3
    assert not (folder / "results.json").exists()
    assert list((folder / "checkpoints").iterdir())
    done = job("--resume", folder)
    assert done.status == 0, done.err
    assert same(long, folder)


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.3, 0.9, 1.5])
def test_a_killed_run_goes_on(delay: float, tiny_flags, job, long: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    eager = ("--set", "settings.lattice.trainer.checkpoint_seconds=0")
    process = start(*tiny_flags, *LONG, *eager, "--out", folder)
    wait_for(folder / "config.yaml", process)
    time.sleep(delay)
    process.kill()
    process.communicate()
    done = job("--resume", folder, "--set", "settings.lattice.trainer.checkpoint_seconds=30.0")
    assert done.status == 0, done.err
    assert same(long, folder)
