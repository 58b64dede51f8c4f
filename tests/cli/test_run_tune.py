"""``run --tune``: the same number of trials for every arm, on seeds that are not reported."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mrdib_graph.errors import ConfigError, TrainingError
from mrdib_graph.experiment import ArmTuner, arm_tuner, open_dataset
from mrdib_graph.tuning import Trial, TuneConfig, read_trials

try:
    import optuna  # noqa: F401
except ImportError:
    optuna_is_absent = True
else:
    optuna_is_absent = False
with_optuna = pytest.mark.skipif(optuna_is_absent, reason="optuna (the extra 'tune') is absent")

SPACE = """
every:
  reg_fused: {low: 1e-3, high: 0.2, zero: true}
arms:
  mrdib:
    alpha_kl: {low: 1e-5, high: 1e-2, zero: true}
    alpha_unique: {low: 1e-3, high: 1.0, zero: true}
  noise:
    std: [0.0, 0.3]
"""
ARMS = ("bare", "mrdib", "no-unique", "noise")


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("space") / "space.yaml"
    path.write_text(SPACE, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def tuned(tiny_job, space: Path, tmp_path_factory: pytest.TempPathFactory):
    """A tuned run with MLflow: how it ended, and its folder."""
    folder = tmp_path_factory.mktemp("tuned") / "run"
    flags = ("--backbone", "vbpr,lightgcn", "--arms", ",".join(ARMS))
    done = tiny_job(
        *flags, "--tune", 3, "--tune-space", space, "--out", folder, "--set", "mlflow=true"
    )
    return done, folder


def by_arm(folder: Path) -> dict[tuple[str, str], list[Trial]]:
    found: dict[tuple[str, str], list[Trial]] = {}
    for trial in read_trials(folder / "tuning" / "trials.csv"):
        found.setdefault((trial.backbone, trial.arm), []).append(trial)
    return found


@pytest.mark.slow
@with_optuna
def test_every_arm_has_as_many_trials(tuned) -> None:
    done, folder = tuned
    assert done.status == 0, done.err
    trials = by_arm(folder)
    assert list(trials) == [*(("vbpr", arm) for arm in (*ARMS, "bare-late")), ("lightgcn", "bare")]
    for arm in trials.values():
        assert [t.trial for t in arm] == [0, 1, 2]
        assert all(t.metric == "recall@20" and t.value is not None for t in arm)


@pytest.mark.slow
@with_optuna
def test_each_trial_is_a_training_with_its_settings(tuned, main_job, tiny_flags) -> None:
    """One trial again, by hand, through what the flags say."""
    trial = by_arm(tuned[1])["vbpr", "mrdib"][2]
    flags = [*tiny_flags, "--backbone", "vbpr", "--seeds", "100", "--arms", "mrdib"]
    for key, value in trial.settings.items():
        flags += ["--set", f"settings.vbpr.arms.mrdib.{key}={value}"]
    config = main_job.read_config(main_job.build_parser().parse_args(flags))
    from mrdib_graph.evaluation import Evaluator
    from mrdib_graph.experiment import build_arm, train_arm

    data = open_dataset(config)[0]
    one = build_arm(config.settings["vbpr"], "vbpr", "mrdib")
    arm = train_arm(one, 100, data, Evaluator(data))
    assert arm.fit.val["recall@20"] == trial.value
    assert (arm.fit.best_epoch,) == trial.best_epochs


@pytest.mark.slow
@with_optuna
def test_the_first_trial_is_what_the_settings_say(tuned) -> None:
    trials = by_arm(tuned[1])
    assert trials["vbpr", "bare"][0].settings == {"reg_fused": 0.08}  # of the stored settings
    assert trials["vbpr", "mrdib"][0].settings == {
        **{"reg_fused": 0.083, "alpha_kl": 0.0, "alpha_unique": 0.26}
    }
    assert trials["vbpr", "noise"][0].settings["reg_fused"] == 0.08
    assert trials["vbpr", "noise"][0].settings["std"] in (0.0, 0.3)  # its 0.1 is no choice: drawn


@pytest.mark.slow
@with_optuna
def test_the_best_is_run_with_the_reported_seeds(tuned, tiny_job) -> None:
    _, folder = tuned
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    objectives = config["settings"]["vbpr"]["arms"]
    for (backbone, arm), trials in by_arm(folder).items():
        best = max(trials, key=lambda t: t.value)  # the first of equal ones
        if backbone == "vbpr":
            assert {key: objectives[arm][key] for key in best.settings} == best.settings
        assert f"{backbone}-{arm}: best of 3 trials, validation recall@20" in tuned[0].out
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert {s["seed"] for arm in results["arms"] for s in arm["seeds"]} == {0}
    chosen = folder / "tuning" / "chosen.yaml"
    assert "best of 3 trials" in chosen.read_text(encoding="utf-8")
    again = tiny_job(
        "--config", chosen, "--out", folder.with_name("again"), "--set", "mlflow=false"
    )
    assert again.status == 0, again.err
    text = (folder.with_name("again") / "results.json").read_text(encoding="utf-8")
    means = [arm["mean"] for arm in json.loads(text)["arms"]]
    assert means == [arm["mean"] for arm in results["arms"]]


@pytest.mark.slow
@with_optuna
def test_trials_are_children_of_a_tuning_run(tuned) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tuned[1]}/mlflow.db")
    experiment = client.get_experiment_by_name("mrdib/planted")
    runs = {r.info.run_name: r for r in client.search_runs([experiment.experiment_id])}
    parent = runs["run-tuning"]
    trial = runs["vbpr-mrdib-trial2"]
    assert trial.data.tags["mlflow.parentRunId"] == parent.info.run_id
    [expected] = [t for t in by_arm(tuned[1])["vbpr", "mrdib"] if t.trial == 2]
    assert trial.data.metrics["best/recall_at_20"] == expected.value
    assert float(trial.data.params["alpha_kl"]) == expected.settings["alpha_kl"]
    files = {f.path for f in client.list_artifacts(parent.info.run_id)}
    assert {"trials.csv", "chosen.yaml", "sensitivity-vbpr-mrdib.png"} <= files


@with_optuna
def test_an_interrupted_search_goes_on(
    tiny_job, space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, real, calls = tmp_path / "run", arm_tuner.train_arm, []

    @functools.wraps(real)
    def counted(*given: Any, **options: Any) -> Any:
        calls.append(given[0].label)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*given, **options)

    monkeypatch.setattr(arm_tuner, "train_arm", counted)
    flags = ("--backbone", "vbpr", "--arms", "bare,noise", "--tune", 2, "--tune-only")
    flags = (*flags, "--tune-space", space, "--out", folder)
    stopped = tiny_job(*flags)
    assert stopped.status == 130
    assert f"Continue by the same command with --out {folder}" in stopped.err
    done = tiny_job(*flags)
    assert done.status == 0, done.err
    assert calls == ["vbpr-bare"] * 2 + ["vbpr-noise"] * 3  # the third one counts for nothing
    assert not (folder / "config.yaml").exists() and (folder / "tuning" / "chosen.yaml").is_file()
    assert tiny_job("--out", folder).status == 2  # a run that is not tuned needs another folder


@with_optuna
def test_other_data_in_the_same_storage_are_refused(tiny_job, space: Path, tmp_path: Path) -> None:
    flags = ("--backbone", "vbpr", "--arms", "bare", "--tune", 1, "--tune-only")
    flags = (*flags, "--tune-space", space, "--tune-storage", tmp_path / "shared.db")
    assert tiny_job(*flags, "--out", tmp_path / "a").status == 0
    assert tiny_job(*flags, "--out", tmp_path / "b").status == 0
    files = [tmp_path / name / "tuning" / "trials.csv" for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()  # the second found all trials done
    done = tiny_job(*flags, "--out", tmp_path / "c", "--set", "dataset_options.seed=5")
    assert done.status == 2 and "made with other data" in done.err


@with_optuna
def test_all_trials_failing_is_an_error(
    tiny_job, space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*_: Any, **__: Any) -> None:
        raise TrainingError("the loss is not finite")

    monkeypatch.setattr(arm_tuner, "train_arm", diverge)
    flags = ("--backbone", "vbpr", "--arms", "bare", "--tune", 2, "--tune-space", space)
    done = tiny_job(*flags, "--out", tmp_path / "run")
    assert done.status == 1 and "all 2 trials of vbpr-bare failed" in done.err


@with_optuna
def test_no_kl_is_left_out_where_tuning_left_no_kl(tiny_job, tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("arms: {mrdib: {alpha_kl: [0.0]}}\nevery: {reg_fused: [0.1]}\n")
    flags = ("--backbone", "vbpr", "--arms", "bare,mrdib,no-kl", "--alpha-kl", "1e-4")
    done = tiny_job(*flags, "--tune", 1, "--tune-space", path, "--out", tmp_path / "run")
    assert done.status == 0, done.err
    assert (
        "the arm no-kl is left out: the arm mrdib of vbpr was tuned to have alpha_kl 0" in done.out
    )
    results = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))
    assert [arm["arm"] for arm in results["arms"]] == ["bare", "mrdib", "bare-late"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--tune", 0), "trials: got 0"),
        (("--tune", "many"), "trials: got 'many'"),
        (("--tune", 2, "--tune-seeds", "5,0"), "0 is among --seeds"),
        (("--tune-only",), "--tune-only: it needs --tune N"),
        (("--tune-storage", "x.db"), "--tune-storage: it needs --tune N"),
        (("--tune", 2, "--resume", "run"), "no config.yaml"),
        (("--tune", 2, "--tune-space", "absent.yaml"), "absent.yaml: cannot be read"),
    ],
)
def test_wrong_flags(tiny_job, flags, message: str, tmp_path: Path) -> None:
    done = tiny_job(
        "--backbone", "vbpr", *flags, *(() if "--resume" in flags else ("--out", tmp_path / "run"))
    )
    assert done.status == 2 and message in done.err
    assert not list(tmp_path.iterdir())


def test_a_tuned_run_cannot_be_resumed_into_a_search(tiny_job, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("backbone: [vbpr]\n", encoding="utf-8")
    done = tiny_job("--resume", tmp_path, "--tune", 2)
    assert done.status == 2 and "leave --tune out" in done.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("arms: {mrdib: {alpha_k: [0.0]}}", "alpha_k: .*did you mean 'alpha_kl'"),
        ("every: {reg_fused: [-1.0]}", "reg_fused: .*expected 0 or more"),
        ("arms: {mrdib: {estimator: [mine, mime]}}", "estimator: .*'mine'"),
        ("every: {backbone_options.user_sid: [a]}", "did you mean 'user_side'"),
    ],
)
def test_a_wrong_setting_in_the_space_fails_before_anything_is_read(
    main_job, tiny_flags, tmp_path: Path, line: str, message: str
) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(line, encoding="utf-8")
    flags = [*tiny_flags, "--backbone", "vbpr", "--arms", "bare,mrdib"]
    config = main_job.read_config(main_job.build_parser().parse_args(flags))
    with pytest.raises(ConfigError, match=f"space.yaml: .*{message}"):
        ArmTuner(config, TuneConfig(2, path), "sqlite:///unused.db")


def test_the_stored_space_fits_every_arm(main_job, tiny_flags) -> None:
    from mrdib_graph.experiment import ARMS

    flags = [*tiny_flags, "--backbone", "vbpr,lattice", "--arms", ",".join(ARMS)]
    flags += ["--alpha-kl", "1e-4"]
    config = main_job.read_config(main_job.build_parser().parse_args(flags))
    space = main_job.SETTINGS / "search_space.yaml"
    tuner = ArmTuner(config, TuneConfig(1, space), "sqlite:///unused.db")
    assert len(tuner.spaces) == 2 * (len(ARMS) + 1)  # and bare-late, mrdib's partner
    assert all({"reg_fused", "learning_rate"} <= set(found) for found in tuner.spaces.values())
