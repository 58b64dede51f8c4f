"""Arms over seeds: build, train, evaluate."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch_geometric.data import HeteroData

from mrdib_graph.evaluation import Evaluator
from mrdib_graph.experiment.arms import Arm
from mrdib_graph.experiment.recommenders import build_recommender
from mrdib_graph.experiment.results import SeedResult
from mrdib_graph.recommender import Recommender
from mrdib_graph.tracking import Tracker
from mrdib_graph.training import FitResult, Trainer

Within = Callable[[Arm, int], AbstractContextManager[object]]
"""Arm and seed to what is open while that is trained and its result is used."""


@dataclass
class TrainedArm:
    """What one seed of an arm gave; the recommender has the weights of its best epoch."""

    arm: Arm
    seed: int
    recommender: Recommender
    fit: FitResult
    result: SeedResult


def train_arms(
    arms: Sequence[Arm],
    seeds: Sequence[int],
    data: HeteroData,
    evaluator: Evaluator,
    tracker: Tracker | None = None,
    *,
    checkpoint: Callable[[str, int], Path] | None = None,
    resume: bool = False,
    quiet: bool = True,
    within: Within | None = None,
) -> Generator[TrainedArm, None, None]:
    """Train every arm with every seed, arm by arm, and hand each out before the next begins.

    Args:
        arms: What is trained.
        seeds: Of start, batches and noise.
        data: The graph.
        evaluator: Of the same graph.
        tracker: Told about every epoch.
        checkpoint: Label of the arm and seed to the checkpoint's file; none is written for None.
        resume: Whether training goes on from checkpoints that are there.
        quiet: Show no progress.
        within: What is entered before each training and left after the caller asks for the next.
    """
    for arm in arms:
        for seed in seeds:
            with nullcontext() if within is None else within(arm, seed):
                path = None if checkpoint is None else checkpoint(arm.label, seed)
                yield train_arm(arm, seed, data, evaluator, tracker, path, resume, quiet)


def train_arm(
    arm: Arm,
    seed: int,
    data: HeteroData,
    evaluator: Evaluator,
    tracker: Tracker | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    quiet: bool = True,
) -> TrainedArm:
    """Train one arm with one seed: one step of :func:`train_arms`."""
    torch.manual_seed(seed)
    recommender = build_recommender(arm, data)
    settings = dataclasses.replace(arm.trainer, seed=seed)
    trainer = Trainer(settings, evaluator=evaluator, tracker=tracker or Tracker(), quiet=quiet)
    fit = trainer.fit(
        recommender, data, checkpoint=checkpoint, resume=resume, label=f"{arm.label}, seed {seed}"
    )
    users = fit.test_result
    result = SeedResult(seed, *fit[:6], users=users.users, per_user=users.per_user)
    return TrainedArm(arm, seed, recommender, fit, result)
