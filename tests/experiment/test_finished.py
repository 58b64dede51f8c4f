"""A finished run read back: the same results, curves and recommenders as when it ended."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from mrdib_graph.errors import CheckpointError, ConfigError, DataError
from mrdib_graph.evaluation import Evaluator
from mrdib_graph.experiment import Experiment, FinishedRun, Outputs, compare_arms, telling
from mrdib_graph.tracking import Tracker


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import importlib.util

    spec = importlib.util.spec_from_file_location("_c", Path(__file__).with_name("conftest.py"))
    assert spec is not None and spec.loader is not None
    conftest = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conftest)
    config = conftest.build_config(
        "vbpr,lattice", arms=["bare", "mrdib"], seeds=[3, 4], baselines=["popularity"]
    )
    path = tmp_path_factory.mktemp("finished") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(telling, "draw", lambda *given, **_: given[3])
        Experiment(config, Tracker(), say=lambda _: None).run(Outputs(path))
    return path


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    shutil.copytree(folder, tmp_path / "copy")
    return tmp_path / "copy"


def test_arms_and_comparisons_are_those_of_the_run(folder: Path) -> None:
    run = FinishedRun(folder)
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert [arm.to_dict() for arm in run.arms] == results["arms"]
    found = [dataclasses.asdict(c) for c in compare_arms(run.arms, list(run.arms[0].mean))]
    assert [c | {"ci95": list(c["ci95"])} for c in found] == results["comparisons"]
    assert [s.label for s in run.specs] == [
        *("vbpr-bare", "vbpr-mrdib", "lattice-bare", "lattice-mrdib")
    ]
    assert run.config.seeds == [3, 4] and run.trials == []


def test_curves_are_those_of_training(folder: Path) -> None:
    run = FinishedRun(folder)
    [spec] = [s for s in run.specs if s.label == "vbpr-mrdib"]
    histories = run.histories(spec)
    assert [len(history) for history in histories] == [2, 2]
    [arm] = [a for a in run.arms if (a.backbone, a.arm) == ("vbpr", "mrdib")]
    for history, seed in zip(histories, arm.seeds, strict=True):
        assert history[seed.best_epoch]["val/recall@20"] == seed.val["recall@20"]
        assert {"train/redundancy", "train/unique"} <= set(history[0])


def test_the_recommender_is_the_one_that_was_evaluated(folder: Path) -> None:
    run = FinishedRun(folder)
    evaluator = Evaluator(run.data)
    arms = {f"{a.backbone}-{a.arm}": a for a in run.arms}
    for spec in run.specs:
        for number, seed in enumerate(run.config.seeds):
            recommender = run.recommender(spec, seed)
            test = evaluator(*recommender.tables(run.data), "test").mean
            assert test == arms[spec.label].seeds[number].test
    codes = run.codes(run.specs[1])
    expected = run.recommender(run.specs[1], 3).codes(run.data)["item"]
    assert list(codes) == ["image", "text"]
    assert all(torch.equal(codes[m], expected[m]) for m in codes)


def test_a_run_that_has_not_ended_is_named(copy: Path, tmp_path: Path) -> None:
    (copy / "results.json").unlink()
    with pytest.raises(DataError, match="has not ended; continue it with --resume"):
        FinishedRun(copy)
    with pytest.raises(ConfigError, match="no run there"):
        FinishedRun(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "cannot be read"), ('{"schema_version": 9}', "schema_version 9")]
)
def test_damaged_results_are_named(copy: Path, text: str, message: str) -> None:
    (copy / "results.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=f"results.json: {message}"):
        FinishedRun(copy)


def test_what_is_missing_is_named(copy: Path) -> None:
    run = FinishedRun(copy)
    (copy / "checkpoints" / "vbpr-bare-seed3.ckpt").unlink()
    with pytest.raises(CheckpointError, match="vbpr-bare-seed3.ckpt: the checkpoint cannot be"):
        run.histories(run.specs[0])
    shutil.copyfile(
        copy / "checkpoints" / "vbpr-mrdib-seed3.ckpt",
        copy / "checkpoints" / "lattice-bare-seed3.ckpt",
    )
    with pytest.raises(CheckpointError, match="lattice-bare-seed3.ckpt: of another model"):
        run.recommender(run.specs[2], 3)
    (copy / "per_user.parquet").write_bytes(b"nothing")
    with pytest.raises(DataError, match="per_user.parquet: cannot be read"):
        _ = FinishedRun(copy).arms


def test_other_data_are_refused(copy: Path) -> None:
    results: dict[str, Any] = json.loads((copy / "results.json").read_text(encoding="utf-8"))
    results["dataset"]["digest"] = "0" * 64
    (copy / "results.json").write_text(json.dumps(results), encoding="utf-8")
    with pytest.raises(DataError, match="planted has changed since the run.*--root"):
        _ = FinishedRun(copy).data
