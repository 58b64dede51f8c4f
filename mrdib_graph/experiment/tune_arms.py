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
from mrdib_graph.experiment.arm import ArmSpec, train_arm
from mrdib_graph.experiment.arm_space import arm_space, current_value, with_values
from mrdib_graph.experiment.checks import check_settings
from mrdib_graph.experiment.config import RunConfig, Settings, settings_name
from mrdib_graph.experiment.objectives import build_backbone, why_not
from mrdib_graph.tracking import Tracker
from mrdib_graph.tracking.tracker import Status
from mrdib_graph.tuning import ArmStudy, Outcome, SearchSpace, Trial, TuneConfig
from mrdib_graph.tuning.search_space import Dimensions
from mrdib_graph.tuning.trials import best_trial


class ArmTuner:
    """Tunes the arms of a configuration, each in a study of its own.

    Args:
        config: What is run afterwards; its settings are what the first trial of each arm tries.
        tune: How.
        backbones: Names of the backbones, without closed-form baselines.
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
        backbones: list[str],
        storage: str,
        tracker: Tracker | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        tune.check_unreported(config.seeds)
        self.config = config
        self.tune = tune
        self.backbones = backbones
        self.storage = storage
        self.tracker = tracker or Tracker()
        self.say = say
        space = SearchSpace.load(tune.space)
        self.spaces = {
            ArmSpec(backbone, objective): arm_space(space, settings_name(backbone), objective)
            for backbone in backbones
            for objective in config.arms
        }
        for spec, dimensions in self.spaces.items():
            self._check(spec, dimensions)

    def run(self, dataset: MultimodalDataset) -> tuple[RunConfig, list[Trial]]:
        """Run what is left of every arm's trials; the chosen configuration and all trials.

        Raises:
            TrainingError: Every trial of an arm failed.
        """
        data = dataset[0]
        evaluator = Evaluator(data)
        studies = {
            spec: self._study(spec, dimensions, dataset)
            for spec, dimensions in self.spaces.items()
            if not why_not(self._settings(spec), spec.name, self._model(spec, data), data)
        }
        goals = {spec: partial(self._trial, spec, data, evaluator) for spec in studies}
        for spec, study in studies.items():  # leave no place free before waiting for others
            study.work(goals[spec])
        config, trials = self.config, []
        for spec, study in studies.items():
            study.complete(goals[spec], self.say)
            of_arm = self._records(spec, study)
            best = best_trial(of_arm)
            if best is None:
                raise TrainingError(
                    f"all {self.tune.trials} trials of {spec.label} failed, since their losses "
                    f"were not finite; lower the learning rates in {self.tune.space}"
                )
            self.say(_line(spec, best, len(of_arm)))
            config = with_values(config, spec, best.settings)
            trials += of_arm
        return self._without_empty_ablation(config), trials

    def _trial(
        self,
        spec: ArmSpec,
        data: HeteroData,
        evaluator: Evaluator,
        place: int,
        values: dict[str, Any],
    ) -> Outcome:
        config = with_values(self.config, spec, values)
        tags = {"backbone": settings_name(spec.backbone), "arm": spec.name}
        self.tracker.start_run(f"{spec.label}-trial{place}", params=values, tags=tags)
        started = time.perf_counter()
        status: Status = "failed"
        try:
            found = []
            for number, seed in enumerate(self.tune.seeds):  # the curves are those of the first
                tracker = Tracker() if number else self.tracker
                found.append(train_arm(spec, seed, config, data, evaluator, tracker).fit)
            monitor = self._settings(spec).trainer.monitor
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

    def _study(self, spec: ArmSpec, space: Dimensions, dataset: MultimodalDataset) -> ArmStudy:
        settings = dataclasses.asdict(self._settings(spec))
        for name in ("device", "checkpoint_seconds"):  # where and how, not what
            settings["trainer"].pop(name)
        made_with = {
            "data": dataset.digest,
            "settings": settings,
            "space": {key: repr(dimension) for key, dimension in space.items()},
            "seeds": self.tune.seeds,
        }
        text = hashlib.sha256(json.dumps(made_with, sort_keys=True).encode()).hexdigest()
        start = {key: current_value(self._settings(spec), spec, key) for key in space}
        name = f"{dataset.name}/{spec.label}"
        seed = self.tune.seeds[0]
        return ArmStudy(self.storage, name, space, self.tune.trials, seed, text, start)

    def _records(self, spec: ArmSpec, study: ArmStudy) -> list[Trial]:
        name, monitor = settings_name(spec.backbone), self._settings(spec).trainer.monitor
        found = []
        for place, (values, outcome) in enumerate(study.results()):
            value, epochs, seconds = outcome or (None, (), 0.0)
            found.append(Trial(name, spec.name, place, monitor, value, values, epochs, seconds))
        return found

    def _check(self, spec: ArmSpec, dimensions: Dimensions) -> None:
        for key, dimension in dimensions.items():
            for value in dimension.samples():
                config = with_values(self.config, spec, {key: value})
                config = dataclasses.replace(config, arms=[spec.name])
                try:
                    check_settings(config, [spec.backbone])
                except ConfigError as error:
                    raise ConfigError(f"{self.tune.space}: {key}: {error}") from error

    def _model(self, spec: ArmSpec, data: HeteroData) -> Any:
        return build_backbone(spec.backbone, data, self._settings(spec), spec.name)

    def _settings(self, spec: ArmSpec) -> Settings:
        return self.config.settings[settings_name(spec.backbone)]

    def _without_empty_ablation(self, config: RunConfig) -> RunConfig:
        """Leave the arm no-kl out where tuning the arm mrdib left it no kl term to leave out."""
        for backbone in self.backbones:
            mrdib = config.settings[settings_name(backbone)].arms.get("mrdib", {})
            if "no-kl" in config.arms and not mrdib.get("alpha_kl"):
                self.say(
                    f"the arm no-kl is left out: the arm mrdib of {settings_name(backbone)} was "
                    "tuned to have no kl term"
                )
                left = [name for name in config.arms if name != "no-kl"]
                config = dataclasses.replace(config, arms=left)
        return config


def _line(spec: ArmSpec, best: Trial, trials: int) -> str:
    values = ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in best.settings.items()
    )
    what = f"best of {trials} trials, validation {best.metric} {best.value:.4f}"
    return f"{spec.label}: {what}: {values}"
