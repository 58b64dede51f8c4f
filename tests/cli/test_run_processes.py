"""The main job over several processes and on sampled subgraphs."""

import json
import logging
import os
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path

import pandas as pd
import pytest
from torch_geometric import typing

from mrdib_graph import distributed

LIGHTGCN = ("--backbone", "lightgcn", "--arms", "bare")


def relative(folder: Path) -> set[str]:
    found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    return {p for p in found if not p.startswith(("artifacts", "mlflow.db"))}


@pytest.mark.slow
def test_two_processes_write_what_one_writes_and_only_once(job, tiny_flags, tmp_path: Path) -> None:
    flags = [f for f in tiny_flags if f != "--no-mlflow"] + ["--device", "cpu"]
    flags += ["--backbone", "vbpr", "--arms", "bare"]
    one, two = tmp_path / "one", tmp_path / "two"
    assert job(*flags, "--out", str(one)).status == 0
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    done = subprocess.run(
        [*command, "2", "-m", "mrdib_graph", "run", *flags, "--out", str(two)],
        capture_output=True,
        text=True,
        timeout=1200,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("Everything is in") == 1
    assert done.stdout.count("vbpr bare: test") == 1
    assert relative(two) == relative(one)
    assert {p.name for p in tmp_path.iterdir()} >= {"one", "two"}
    with sqlite3.connect(two / "mlflow.db") as database:
        runs = database.execute("select name, status from runs order by start_time").fetchall()
    assert runs == [("two", "FINISHED"), ("vbpr-bare-seed0", "FINISHED")]
    results = [json.loads((f / "results.json").read_text(encoding="utf-8")) for f in (one, two)]
    for mine, theirs in zip(results[0]["arms"], results[1]["arms"], strict=True):
        assert theirs["mean"] == pytest.approx(mine["mean"], abs=1e-9)
    frames = [pd.read_parquet(f / "per_user.parquet") for f in (one, two)]
    pd.testing.assert_frame_equal(*frames)


def test_a_search_is_not_started_by_torchrun(tiny_job, monkeypatch) -> None:
    monkeypatch.setattr(distributed, "size", lambda: 2)
    done = tiny_job(*LIGHTGCN, "--tune", "2", "--out", "new")
    assert done.status == 2 and "several times with --tune-storage" in done.err
    assert not Path("new").exists()


def test_the_line_to_continue_names_the_processes(main_job) -> None:
    assert main_job.continue_line(Path("a")) == "mrdib-graph run --resume a"
    line = "torchrun --nproc-per-node 3 -m mrdib_graph run --resume 'a b'"
    assert main_job.continue_line(Path("a b"), 3) == line


def test_an_error_names_the_process_that_is_not_the_first(tiny_job, monkeypatch) -> None:
    monkeypatch.setenv("RANK", "1")
    try:
        with warnings.catch_warnings():
            done = tiny_job("--backbone", "latice")
    finally:
        logging.disable(logging.NOTSET)
    assert done.status == 2 and done.err.startswith("error in process 1: ")


@pytest.mark.skipif(
    not (typing.WITH_PYG_LIB or typing.WITH_TORCH_SPARSE),
    reason="sampling needs torch-sparse or pyg-lib (the extra 'sampling')",
)
def test_sampled_training_from_the_command_line(tiny_job, tmp_path: Path) -> None:
    sampled = ("--loader", "neighbor", "--num-neighbors", "5,3")
    done = tiny_job(*LIGHTGCN, *sampled, "--out", str(tmp_path / "out"))
    assert done.status == 0, done.err
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    trainer = results["config"]["settings"]["lightgcn"]["trainer"]
    assert (trainer["loader"], trainer["num_neighbors"]) == ("neighbor", [5, 3])
    assert results["arms"][0]["mean"]["recall@20"] > 0


def test_a_backbone_that_cannot_be_sampled_ends_with_2(tiny_job, monkeypatch) -> None:
    monkeypatch.setattr(typing, "WITH_TORCH_SPARSE", True)
    done = tiny_job("--backbone", "lattice", "--loader", "neighbor", "--out", "new")
    assert done.status == 2
    assert "LATTICE cannot be trained on sampled subgraphs" in done.err
    assert not Path("new").exists()


def test_without_the_extra_the_command_names_it(tiny_job, monkeypatch) -> None:
    monkeypatch.setattr(typing, "WITH_TORCH_SPARSE", False)
    monkeypatch.setattr(typing, "WITH_PYG_LIB", False)
    done = tiny_job(*LIGHTGCN, "--loader", "neighbor", "--out", "new")
    assert done.status == 1 and "pip install 'mrdib-graph[sampling]'" in done.err
    assert not Path("new").exists()
