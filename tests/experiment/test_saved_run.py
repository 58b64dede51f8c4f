"""The recommender of a run comes back to the bit, and what does not fit is named."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mrdib_graph.errors import CheckpointError, ConfigError, DataError
from mrdib_graph.evaluation import Evaluator
from mrdib_graph.experiment import (
    Experiment,
    Outputs,
    RestoredArm,
    SavedRun,
    compare_arms,
    run_tracking,
)
from mrdib_graph.experiment import config as configuration
from mrdib_graph.experiment.config import RunConfig, Settings
from mrdib_graph.tracking import Tracker
from mrdib_graph.training import TrainerConfig, checkpoint

SETTINGS = Settings(embedding_dim=8, trainer=TrainerConfig(epochs=2, batch_size=512))
CONFIG = RunConfig(
    backbone=["vbpr", "lattice"],
    arms=["bare", "mrdib"],
    seeds=[0, 3],
    baselines=["popularity"],
    dataset_options={
        **{"num_users": 60, "num_items": 50, "num_interactions": 600},
        "modalities": {"image": 16, "text": 12},
    },
    settings={"vbpr": SETTINGS, "lattice": SETTINGS},
    profile=False,
    mlflow=False,
    quiet=True,
)

Change = Callable[[Path], None]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_tracking, "draw", lambda *given, **_: given[3])
        Experiment(CONFIG, Tracker(), lambda _: None).run(Outputs(folder))
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def test_the_best_recommender_comes_back_to_the_bit(finished: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    saved = SavedRun(finished)
    run = saved.restore(device="cpu")
    assert isinstance(run, RestoredArm)
    assert torch.equal(torch.get_rng_state(), before)
    user, item = run.recommender.tables(run.data)
    assert torch.equal(user, saved.bundle.user_table) and torch.equal(item, saved.bundle.item_table)
    info = saved.bundle.info
    assert run.arm.label == f"{info.backbone}-{info.arm}"
    assert Evaluator(run.data)(user, item, "test").mean == info.metrics
    assert not run.recommender.training


@pytest.mark.parametrize("arm", ["vbpr-bare", "vbpr-mrdib", "lattice-bare", "lattice-mrdib"])
@pytest.mark.parametrize("seed", [0, 3])
def test_any_arm_and_seed_gives_the_numbers_of_the_run(finished: Path, arm: str, seed: int) -> None:
    run = SavedRun(finished).restore(arm, seed, "cpu")
    assert (run.arm.label, run.seed) == (arm, seed)
    assert (run.recommender.mrdib is not None) == arm.endswith("mrdib")
    results = json.loads((finished / "results.json").read_text())
    found = Evaluator(run.data)(*run.recommender.tables(run.data), "test").mean
    expected = [
        s["test"]
        for a in results["arms"]
        for s in a["seeds"]
        if f"{a['backbone']}-{a['arm']}" == arm and s["seed"] == seed
    ]
    assert found == expected[0]


def test_an_arm_without_a_seed_takes_its_best_on_validation(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text())
    for arm in results["arms"]:
        if arm["arm"] != "closed-form":
            values = {s["seed"]: s["val"]["recall@20"] for s in arm["seeds"]}
            run = SavedRun(finished).restore(f"{arm['backbone']}-{arm['arm']}", device="cpu")
            assert values[run.seed] == max(values.values())


def remove(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def write(name: str, text: str) -> Change:
    return lambda folder: (folder / name).write_text(text) and None


def other_data(folder: Path) -> None:
    changed = {**CONFIG.dataset_options, "seed": 9}
    config = {**configuration.plain(CONFIG), "dataset_options": changed}
    (folder / "config.yaml").write_text(json.dumps(config))


def no_checkpoints(folder: Path) -> None:
    shutil.rmtree(folder / "checkpoints")


def damaged_checkpoints(folder: Path) -> None:
    for path in (folder / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:-1])


def swapped_checkpoints(folder: Path) -> None:
    """The other seed's under each name: right shapes, wrong weights."""
    for path in (folder / "checkpoints").glob("*-seed0.ckpt"):
        other = path.with_name(path.name.replace("seed0", "seed3"))
        path.rename(path.with_suffix(".aside"))
        other.rename(path)
        path.with_suffix(".aside").rename(other)


def another_width(folder: Path) -> None:
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("embedding_dim: 8", "embedding_dim: 4"))


def no_best(folder: Path) -> None:
    for path in (folder / "checkpoints").iterdir():
        checkpoint.save({**checkpoint.load(path), "best": {}}, path)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (remove("config.yaml"), DataError, "there is no config.yaml; give the output folder"),
        (remove("results.json"), DataError, "no results.json.*mrdib-graph run --resume"),
        (
            write("results.json", "{}"),
            DataError,
            "results.json: schema_version None, expected 1 or 2",
        ),
        (write("results.json", '{"schema_version": 2}'), DataError, "not the results of a run"),
        (write("results.json", "{"), DataError, "results.json: not the results of a run"),
        (remove("bundle/bundle.json"), DataError, "bundle.json"),
        (other_data, DataError, "'planted' is not the one of this run"),
        (no_checkpoints, CheckpointError, "the checkpoint cannot be read"),
        (damaged_checkpoints, CheckpointError, "damaged"),
        (swapped_checkpoints, DataError, "user table made from checkpoints/ is not that of bundle"),
        (another_width, CheckpointError, "of another model than config.yaml describes"),
        (no_best, CheckpointError, "holds no best epoch"),
    ],
)
def test_what_does_not_fit_is_named(copied: Path, change: Change, error, message: str) -> None:
    change(copied)
    with pytest.raises(error, match=message):
        SavedRun(copied).restore(device="cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "vbpr-noise"}, "expected one of the run's: vbpr-bare, vbpr-mrdib"),
        ({"seed": 1}, "seed: got 1, expected one of 0, 3"),
        ({"device": "no-device"}, "device: 'no-device' is not available"),
    ],
)
def test_wrong_arguments(finished: Path, options, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SavedRun(finished).restore(**options)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nor such a folder"):
        SavedRun(tmp_path / "absent")


def test_an_arm_that_the_run_left_out(copied: Path) -> None:
    results = json.loads((copied / "results.json").read_text())
    results["arms"] = [a for a in results["arms"] if a["arm"] != "mrdib"]
    (copied / "results.json").write_text(json.dumps(results))
    with pytest.raises(ConfigError, match="'lattice-mrdib' is not among the results"):
        SavedRun(copied).restore("lattice-mrdib")


def test_arms_and_comparisons_are_those_of_the_run(finished: Path) -> None:
    run = SavedRun(finished)
    results = json.loads((finished / "results.json").read_text(encoding="utf-8"))
    arms = run.results_of_arms
    assert [arm.to_dict() for arm in arms] == results["arms"]
    found = [dataclasses.asdict(c) for c in compare_arms(arms, list(arms[0].mean))]
    assert [c | {"ci95": list(c["ci95"])} for c in found] == results["comparisons"]
    labels = ["vbpr-bare", "vbpr-mrdib", "lattice-bare", "lattice-mrdib"]
    assert [arm.label for arm in run.arms] == labels
    assert run.config.seeds == [0, 3] and run.trials == []


def test_curves_are_those_of_training(finished: Path) -> None:
    run = SavedRun(finished)
    histories = run.histories(run.arms[1])
    assert [len(history) for history in histories] == [2, 2]
    [arm] = [a for a in run.results_of_arms if (a.backbone, a.arm) == ("vbpr", "mrdib")]
    for history, seed in zip(histories, arm.seeds, strict=True):
        assert history[seed.best_epoch]["val/recall@20"] == seed.val["recall@20"]
        assert {"train/redundancy", "train/unique"} <= set(history[0])


def test_the_codes_are_those_of_the_first_seed(finished: Path) -> None:
    run = SavedRun(finished)
    codes = run.codes(run.arms[1])
    restored = run.restore("vbpr-mrdib", 0, "cpu")
    expected = restored.recommender.codes(restored.data)["item"]
    assert list(codes) == ["image", "text"]
    assert all(torch.equal(codes[m], expected[m]) for m in codes)


def test_damaged_per_user_results_are_named(copied: Path) -> None:
    (copied / "per_user.parquet").write_bytes(b"nothing")
    with pytest.raises(DataError, match="per_user.parquet: cannot be read"):
        _ = SavedRun(copied).results_of_arms


def again(config: RunConfig, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_tracking, "draw", lambda *given, **_: given[3])
        Experiment(config, Tracker(), lambda _: None).run(Outputs(folder, resume=True), resume=True)


def changed(**changes: object) -> RunConfig:
    return dataclasses.replace(CONFIG, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            changed(
                settings={**CONFIG.settings, "vbpr": dataclasses.replace(SETTINGS, reg_fused=1)}
            ),
            "settings.vbpr.reg_fused was 0.0 when the run began and is 1",
        ),
        (
            changed(dataset_options={**CONFIG.dataset_options, "seed": 1}),
            "dataset_options.seed was None when the run began and is 1 now",
        ),
        (changed(split_seed=4), "split_seed was 0 when the run began and is 4 now"),
    ],
)
def test_a_resume_under_other_settings_is_refused(
    copied: Path, config: RunConfig, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = SavedRun(copied)
    with pytest.raises(ConfigError, match=message):
        run.check_settings(config)
    assert run.check_settings(CONFIG) is None


def test_what_may_change_over_a_resume(copied: Path) -> None:
    trainer = dataclasses.replace(SETTINGS.trainer, epochs=9, patience=3, checkpoint_seconds=1)
    settings = {"vbpr": dataclasses.replace(SETTINGS, trainer=trainer)}
    more = changed(settings=settings, backbone=["vbpr"], quiet=False, seeds=[0, 3, 4], root="x")
    SavedRun(copied).check_settings(more)


def test_epochs_may_not_change_over_a_resume_where_a_schedule_follows_from_them(
    copied: Path,
) -> None:
    run = SavedRun(copied)
    trainer = dataclasses.replace(SETTINGS.trainer, schedule="cosine", epochs=9)
    now = changed(settings={"vbpr": dataclasses.replace(SETTINGS, trainer=trainer)})
    with pytest.raises(ConfigError, match="trainer.schedule was 'none'"):
        run.check_settings(now)
    run.config = now
    longer = dataclasses.replace(trainer, epochs=10)
    more = changed(settings={"vbpr": dataclasses.replace(SETTINGS, trainer=longer)})
    with pytest.raises(ConfigError, match="trainer.epochs was 9 when the run began and is 10 now"):
        run.check_settings(more)


def test_a_resume_on_other_data_is_refused(copied: Path) -> None:
    known = json.loads((copied / "dataset.json").read_text(encoding="utf-8"))
    assert known["name"] == "planted" and known["counts"]["users"] == 60
    assert {"digest", "split_rule"} <= set(known)
    (copied / "dataset.json").write_text(json.dumps({**known, "digest": "0" * 64}))
    with pytest.raises(DataError, match="'planted' is not the one of this run .SHA-256.*--root"):
        again(CONFIG, copied)
