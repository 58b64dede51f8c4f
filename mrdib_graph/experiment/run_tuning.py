"""The first half of ``mrdib-graph run --tune``: search, and write down what was chosen."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mrdib_graph.atomic_file import write_text
from mrdib_graph.errors import DataError
from mrdib_graph.experiment import config as configuration
from mrdib_graph.experiment.arm_tuner import ArmTuner
from mrdib_graph.experiment.config import RunConfig
from mrdib_graph.experiment.runner import Experiment
from mrdib_graph.tracking.tracker import Status
from mrdib_graph.tuning import Trial, TuneConfig, numeric_points, write_trials
from mrdib_graph.tuning.study import storage_url
from mrdib_graph.tuning.trials import best_trial


def tune(experiment: Experiment, how: TuneConfig, folder: Path, name: str) -> RunConfig:
    """Tune every arm of an experiment; the configuration with what was chosen.

    The folder gets ``trials.csv``, ``chosen.yaml`` (which ``--config`` takes), a picture of each
    arm's trials, and the trials' database ``study.db`` unless ``how`` names another.

    Args:
        experiment: Its data, arms and tracker.
        how: Trials, seeds, search space and storage.
        folder: Where to write; made where absent.
        name: Of the tracked run, which has a child for each trial.

    Raises:
        ConfigError: See :class:`ArmTuner`.
        DataError: The data are bad, or the folder cannot be written.
        TrainingError: Every trial of an arm failed.
    """
    storage = storage_url(how.storage or str(folder / "study.db"))
    config, tracker = experiment.config, experiment.tracker
    tuner = ArmTuner(config, how, storage, tracker, experiment.say)
    dataset = experiment.dataset
    tracked = {"dataset": dataset.name, "dataset_digest": dataset.digest}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error}") from error
    parameters = {"trials": how.trials, "seeds": list(how.seeds), "space": how.space.read_text()}
    tracker.start_run(name, params={"tune": parameters}, tags=tracked)
    status: Status = "failed"
    try:
        chosen, trials = tuner.run(dataset)
        for path in write_tuning(folder, how, chosen, trials):
            tracker.log_artifact(path)
        status = "finished"
    except KeyboardInterrupt:
        status = "killed"
        raise
    finally:
        tracker.end_run(status)
    return chosen


def write_tuning(
    folder: Path, how: TuneConfig, chosen: RunConfig, trials: list[Trial]
) -> list[Path]:
    """Write the trials, the choice and the pictures; their files."""
    metrics = ", ".join(sorted({trial.metric for trial in trials}))
    head = (
        f"# Chosen by mrdib-graph run --tune {how.trials}: the best of {how.trials} trials of each "
        f"arm\n# by validation {metrics} of training seeds {list(how.seeds)}.  All: trials.csv\n"
    )
    plain = dataclasses.replace(chosen, out=None, tracking_uri=None)
    files = [folder / "trials.csv", folder / "chosen.yaml"]
    write_trials(files[0], trials)
    write_text(files[1], head + configuration.dump(plain))
    return files + draw_trials(folder, trials)


def draw_trials(folder: Path, trials: list[Trial]) -> list[Path]:
    """For each arm, the metric over each of its settings; the files."""
    from mrdib_graph.plotting import sensitivity

    files = []
    for backbone, arm in dict.fromkeys((t.backbone, t.arm) for t in trials):
        points = numeric_points(trials, backbone, arm)
        if not points:
            continue
        of_arm = [t for t in trials if (t.backbone, t.arm) == (backbone, arm)]
        best = best_trial(of_arm)
        bare = best_trial([t for t in trials if (t.backbone, t.arm) == (backbone, "bare")])
        figure = sensitivity(
            points,
            f"validation {of_arm[0].metric}",
            chosen=None if best is None else best.settings,
            baseline=None if bare is None or arm == "bare" else bare.value,
            means=is_grid(points),
        )
        files.append(folder / f"sensitivity-{backbone}-{arm}.png")
        figure.savefig(files[-1], dpi=120)
    return files


def is_grid(points: dict[str, list[tuple[float, float]]]) -> bool:
    """Whether every combination of values was tried, so that means over the others compare."""
    product = 1
    for pairs in points.values():
        product *= len({value for value, _ in pairs})
    return all(len(pairs) % product == 0 for pairs in points.values())
