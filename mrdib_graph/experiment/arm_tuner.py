"""Choose every arm's settings on validation: the same number of trials for each."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from torch_geometric.data import HeteroData

from mrdib_graph.datasets import MultimodalDataset
from mrdib_graph.errors import ConfigError, TrainingError
from mrdib_graph.evaluation import Evaluator
from mrdib_graph.experiment.arm_space import arm_space, current_value, with_values
from mrdib_graph.experiment.arms import Arm, build_arm, build_arms, possible_arms
from mrdib_graph.experiment.config import RunConfig
from mrdib_graph.experiment.presets import read_name
from mrdib_graph.experiment.run_metrics import evaluator_config
from mrdib_graph.experiment.trained_arm import train_arm
from mrdib_graph.tracking import Tracker
from mrdib_graph.tracking.tracker import Status
from mrdib_graph.tuning import ArmStudy, Outcome, SearchSpace, Trial, TuneConfig
from mrdib_graph.tuning.trials import best_trial


class ArmTuner:
    """Tunes the arms of a configuration, each in a study of its own.

    Args:
        config: What is run afterwards; its settings are what the first trial of each arm tries.
        tune: How.
        storage: A database's URL.
        tracker: Told about every trial.
        say: Called with each line for a person.

    Raises:
        ConfigError: A seed of the trials is to be reported, or a setting of the search space is
            unknown or out of range; nothing was read yet.
    """

    def __init__(
        self,
        config: RunConfig,
        tune: TuneConfig,
        storage: str,
        tracker: Tracker | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        tune.check_unreported(config.seeds)
        self.config = config
        self.tune = tune
        self.storage = storage
        self.tracker = tracker or Tracker()
        self.say = say
        space = SearchSpace.load(tune.space)
        self.arms = build_arms(config)
        self.spaces = {arm.label: arm_space(space, arm) for arm in self.arms}
        for arm in self.arms:
            self._check(arm)

    def run(self, dataset: MultimodalDataset) -> tuple[RunConfig, list[Trial]]:
        """Run what is left of every arm's trials; the chosen configuration and all trials.

        Raises:
            TrainingError: Every trial of an arm failed.
        """
        data = dataset[0]
        evaluator = Evaluator(data, evaluator_config(self.config))
        arms = possible_arms(self.arms, data, self.say)
        studies = [self._study(arm, dataset) for arm in arms]
        goals = [partial(self._trial, arm, data, evaluator) for arm in arms]
        for study, goal in zip(studies, goals, strict=True):
            study.work(goal)  # leave no place free before waiting for others
        config, trials = self.config, []
        for arm, study, goal in zip(arms, studies, goals, strict=True):
            study.complete(goal, self.say)
            of_arm = _records(arm, study)
            best = best_trial(of_arm)
            if best is None:
                raise TrainingError(
                    f"all {self.tune.trials} trials of {arm.label} failed, since their losses "
                    f"were not finite; lower the learning rates in {self.tune.space}"
                )
            self.say(_line(arm, best, len(of_arm)))
            config = with_values(config, arm, best.settings)
            trials += of_arm
        return self._without_empty_ablations(config), trials

    def _trial(
        self,
        arm: Arm,
        data: HeteroData,
        evaluator: Evaluator,
        place: int,
        values: dict[str, Any],
    ) -> Outcome:
        tried = self._with(arm, values)
        tags = {"backbone": arm.backbone_name, "arm": arm.name}
        self.tracker.start_run(f"{arm.label}-trial{place}", params=values, tags=tags)
        started = time.perf_counter()
        status: Status = "failed"
        try:
            found = []
            for number, seed in enumerate(self.tune.seeds):  # the curves are those of the first
                tracker = Tracker() if number else self.tracker
                quiet = self.config.quiet
                one = train_arm(tried, seed, data, evaluator, tracker, quiet=quiet)
                found.append(one.fit)
            monitor = arm.trainer.monitor
            value = float(np.mean([fit.val[monitor] for fit in found]))
            self.tracker.log_metrics({f"best/{monitor}": value})
            status = "finished"
        except KeyboardInterrupt:
            status = "killed"
            raise
        finally:
            self.tracker.end_run(status)
        seconds = time.perf_counter() - started
        return Outcome(value, tuple(fit.best_epoch for fit in found), seconds)

    def _study(self, arm: Arm, dataset: MultimodalDataset) -> ArmStudy:
        space, seed = self.spaces[arm.label], self.tune.seeds[0]
        values = arm.to_dict()
        for name in ("device", "checkpoint_seconds"):  # where and how, not what
            values["trainer"].pop(name)
        made_with = {
            "data": dataset.digest,
            "settings": values,
            "space": {key: repr(dimension) for key, dimension in space.items()},
            "seeds": self.tune.seeds,
        }
        text = hashlib.sha256(json.dumps(made_with, sort_keys=True).encode()).hexdigest()
        start = {key: current_value(arm, key) for key in space}
        name = f"{dataset.name}/{arm.label}"
        return ArmStudy(self.storage, name, space, self.tune.trials, seed, text, start)

    def _check(self, arm: Arm) -> None:
        """Refuse what the search could try and no arm can have."""
        for key, dimension in self.spaces[arm.label].items():
            for value in dimension.samples():
                config = with_values(self.config, arm, {key: value})
                own = {arm.backbone_name: config.settings[arm.backbone_name]}
                config = dataclasses.replace(
                    config, backbone=[arm.backbone], arms=[arm.name], settings=own
                )
                try:
                    build_arms(config)
                except ConfigError as error:
                    raise ConfigError(f"{self.tune.space}: {key}: {error}") from error

    def _with(self, arm: Arm, values: dict[str, Any]) -> Arm:
        config = with_values(self.config, arm, values)
        return build_arm(config.settings[arm.backbone_name], arm.backbone, arm.name)

    def _without_empty_ablations(self, config: RunConfig) -> RunConfig:
        """Leave out the ablations whose term the arm mrdib was tuned not to have."""
        for arm in self.arms:
            needs = read_name(arm.name).preset.needs
            of_mrdib = config.settings[arm.backbone_name].arms.get("mrdib", {})
            if needs is not None and arm.name in config.arms and not of_mrdib.get(needs):
                self.say(
                    f"the arm {arm.name} is left out: the arm mrdib of {arm.backbone_name} was "
                    f"tuned to have {needs} 0"
                )
                left = [name for name in config.arms if name != arm.name]
                config = dataclasses.replace(config, arms=left)
        return config


def _records(arm: Arm, study: ArmStudy) -> list[Trial]:
    found = []
    for place, (values, outcome) in enumerate(study.results()):
        value, epochs, seconds = outcome or (None, (), 0.0)
        of_arm = (arm.backbone_name, arm.name, place, arm.trainer.monitor)
        found.append(Trial(*of_arm, value, values, epochs, seconds))
    return found


def _line(arm: Arm, best: Trial, trials: int) -> str:
    values = ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in best.settings.items()
    )
    what = f"best of {trials} trials, validation {best.metric} {best.value:.4f}"
    return f"{arm.label}: {what}: {values}"
