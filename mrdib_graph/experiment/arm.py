"""One arm with one seed: build, train, evaluate."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch
from torch_geometric.data import HeteroData

from mrdib_graph.evaluation import Evaluator
from mrdib_graph.experiment.config import RunConfig, settings_name
from mrdib_graph.experiment.objectives import arm_value, build_recommender
from mrdib_graph.experiment.results import SeedResult
from mrdib_graph.recommender import Recommender
from mrdib_graph.tracking import Tracker
from mrdib_graph.training import FitResult, Trainer


@dataclass(frozen=True)
class ArmSpec:
    """A backbone with an objective, as named in a configuration."""

    backbone: str
    name: str

    @property
    def label(self) -> str:
        """Name in folders, runs and tables."""
        return f"{settings_name(self.backbone)}-{self.name}"


@dataclass
class TrainedArm:
    """What one seed of an arm gave."""

    spec: ArmSpec
    recommender: Recommender
    fit: FitResult
    result: SeedResult


def train_arm(
    spec: ArmSpec,
    seed: int,
    config: RunConfig,
    data: HeteroData,
    evaluator: Evaluator,
    tracker: Tracker,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> TrainedArm:
    """Train one arm with one seed; the recommender keeps the weights of its best epoch."""
    settings = config.settings[settings_name(spec.backbone)]
    torch.manual_seed(seed)
    recommender = build_recommender(spec.backbone, data, settings, spec.name)
    rate = arm_value(settings, spec.name, "learning_rate", settings.trainer.learning_rate)
    trainer = Trainer(
        dataclasses.replace(settings.trainer, seed=seed, learning_rate=float(rate)),
        evaluator=evaluator,
        tracker=tracker,
        quiet=config.quiet,
    )
    fit = trainer.fit(
        recommender,
        data,
        checkpoint=checkpoint,
        resume=resume,
        label=f"{spec.label}, seed {seed}",
    )
    result = SeedResult(
        seed=seed,
        best_epoch=fit.best_epoch,
        epochs=fit.epochs,
        seconds_per_epoch=fit.seconds_per_epoch,
        peak_memory_mb=fit.peak_memory_mb,
        val=fit.val,
        test=fit.test,
        users=fit.test_result.users,
        per_user=fit.test_result.per_user,
    )
    return TrainedArm(spec, recommender, fit, result)
