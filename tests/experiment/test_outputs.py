"""The files of a run's output folder."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.experiment import ArmResult, Outputs, SeedResult
from mrdib_graph.experiment import config as configuration
from mrdib_graph.experiment.config import RunConfig
from mrdib_graph.experiment.outputs import default_folder


def seed_result(seed: int, users: list[int], values: list[float]) -> SeedResult:
    tensor = torch.tensor(values, dtype=torch.float64)
    mean = {"recall@20": float(tensor.mean())}
    return SeedResult(seed, 0, 1, 0.1, 1.0, mean, mean, torch.tensor(users), {"recall@20": tensor})


def test_where_everything_is(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "run")
    assert not outputs.folder.exists()  # nothing is made before the data are known to be good
    outputs.create()
    assert sorted(p.name for p in outputs.folder.iterdir()) == ["figures"]
    assert outputs.folder.is_absolute()
    names = {
        "config": "config.yaml",
        "dataset": "dataset.json",
        "results": "results.json",
        "per_user": "per_user.parquet",
        "report": "report.md",
        "figures": "figures",
        "bundle": "bundle",
        "database": "mlflow.db",
        "outbox": "mlflow-outbox",
    }
    for attribute, name in names.items():
        assert getattr(outputs, attribute) == outputs.folder / name
    path = outputs.checkpoint("vbpr-bare", 3)
    assert path == outputs.folder / "checkpoints" / "vbpr-bare-seed3.ckpt"


def test_a_relative_folder_stays_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outputs = Outputs(Path("run"))
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    outputs.create()
    assert (tmp_path / "run" / "figures").is_dir()


def test_a_folder_that_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    Outputs(folder)  # an empty one is free
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty; choose another.*--resume"):
        Outputs(folder)
    with pytest.raises(ConfigError, match="--resume .*: no run there"):
        Outputs(folder, resume=True)
    (folder / "config.yaml").write_text("")
    Outputs(folder, resume=True).create()
    assert (folder / "figures").is_dir() and (folder / "notes.txt").read_text() == "mine"
    Outputs(folder, resume=True).create()


def test_two_runs_that_start_at_once(tmp_path: Path) -> None:
    """The one that is later finds the folder taken, and the first is unharmed."""
    one, two = Outputs(tmp_path / "run"), Outputs(tmp_path / "run")
    one.create()
    with pytest.raises(ConfigError, match="not empty"):
        two.create()


def test_a_run_that_is_resumed_twice_at_once(tmp_path: Path) -> None:
    """The lock belongs to one process at a time, and goes with it however it ends."""
    folder = tmp_path / "run"
    outputs = Outputs(folder)
    outputs.create()
    hold = (
        "import sys; from pathlib import Path; from mrdib_graph.experiment.outputs import Outputs\n"
        "(Path(sys.argv[1]) / 'config.yaml').touch()\n"
        "with Outputs(Path(sys.argv[1]), resume=True).only_one():\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    command, pipe = [sys.executable, "-c", hold, str(folder)], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match="another process is at work there"):
            with outputs.only_one():
                pytest.fail("two at once")
        other.kill()
        other.wait()
        with outputs.only_one():
            assert (folder / ".lock").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="expected a folder, found a file"):
        Outputs(tmp_path / "file")
    with pytest.raises(DataError, match="--out .*inside: cannot be written"):
        Outputs(tmp_path / "file" / "inside").create()


def test_the_configuration_reads_back(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "run")
    outputs.create()
    run = configuration.resolve([("backbone", ["vbpr"]), ("seeds", [3])])
    outputs.write_config(run)
    assert configuration.resolve([], outputs.config) == run


def test_results_are_strict_json(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "run")
    outputs.create()
    content = {
        "gain": float("nan"),
        "list": [1, float("inf"), (2.5, -float("inf"))],
        "text": "NaN",
        "nested": {"ok": 1.5, "none": None, "flag": True},
    }
    outputs.write_json(outputs.results, content)
    text = outputs.results.read_text(encoding="utf-8")
    assert json.loads(text) == {
        "gain": None,
        "list": [1, None, [2.5, None]],
        "text": "NaN",
        "nested": {"ok": 1.5, "none": None, "flag": True},
    }
    assert text.endswith("}\n")


def test_one_row_a_user_arm_and_seed(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "run")
    outputs.create()
    arms = [
        ArmResult("vbpr", "bare", [seed_result(s, [1, 4], [0.5, s]) for s in (0, 1)]),
        ArmResult("ease", "closed-form", [seed_result(0, [1, 4], [1.0, 0.0])]),
    ]
    outputs.write_per_user(arms)
    frame = pd.read_parquet(outputs.folder / "per_user.parquet")
    assert frame.to_dict("split")["data"] == [
        [1, "vbpr", "bare", 0, 0.5],
        [4, "vbpr", "bare", 0, 0.0],
        [1, "vbpr", "bare", 1, 0.5],
        [4, "vbpr", "bare", 1, 1.0],
        [1, "ease", "closed-form", 0, 1.0],
        [4, "ease", "closed-form", 0, 0.0],
    ]
    assert list(frame) == ["user", "backbone", "arm", "seed", "recall@20"]
    assert sorted(p.name for p in outputs.folder.iterdir()) == ["figures", "per_user.parquet"]


def test_the_default_folder_is_never_there_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda _: "20260102-030405")
    config = RunConfig(backbone=["VBPR", "own.py:Mine", "lattice", "lightgcn"], dataset="a/shop")
    first = default_folder(config)
    assert first == Path("runs") / "20260102-030405-shop-vbpr-mine-lattice"
    first.mkdir(parents=True)
    assert default_folder(config) == Path(f"{first}-2")
    Path(f"{first}-2").mkdir()
    assert default_folder(config) == Path(f"{first}-3")


def test_the_default_folder_says_when(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = default_folder(RunConfig()).name
    assert re.fullmatch(r"\d{8}-\d{6}-planted-lattice", name)
    assert not list(tmp_path.iterdir())


def test_a_search_may_come_before_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    Outputs(folder).tuning.mkdir(parents=True)
    with pytest.raises(ConfigError, match="not empty"):
        Outputs(folder)
    outputs = Outputs(folder, tuned=True)
    outputs.create()
    assert sorted(p.name for p in folder.iterdir()) == ["figures", "tuning"]
    outputs.write_config(RunConfig())
    with pytest.raises(ConfigError, match="not empty"):  # a run has begun there
        Outputs(folder, tuned=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(ConfigError, match="not empty"):
        Outputs(tmp_path / "other", tuned=True)
