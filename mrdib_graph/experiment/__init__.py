"""The main job: backbones, arms and seeds of a configuration, compared and written down.

Names are loaded at first use, so that reading a configuration imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mrdib_graph.experiment.arm import ArmSpec, TrainedArm, train_arm
    from mrdib_graph.experiment.config import RunConfig, Settings
    from mrdib_graph.experiment.data import open_dataset
    from mrdib_graph.experiment.finished import FinishedRun
    from mrdib_graph.experiment.objectives import OBJECTIVES, PAPER, build_recommender
    from mrdib_graph.experiment.outputs import Outputs
    from mrdib_graph.experiment.restore import RestoredRun, restore_run
    from mrdib_graph.experiment.results import ArmComparison, ArmResult, SeedResult, compare_arms
    from mrdib_graph.experiment.runner import Experiment
    from mrdib_graph.experiment.tune_arms import ArmTuner
    from mrdib_graph.experiment.tuned import tune

_HOME = {
    "OBJECTIVES": "objectives",
    "PAPER": "objectives",
    "ArmComparison": "results",
    "ArmResult": "results",
    "ArmSpec": "arm",
    "ArmTuner": "tune_arms",
    "Experiment": "runner",
    "FinishedRun": "finished",
    "Outputs": "outputs",
    "RestoredRun": "restore",
    "RunConfig": "config",
    "SeedResult": "results",
    "Settings": "config",
    "TrainedArm": "arm",
    "build_recommender": "objectives",
    "compare_arms": "results",
    "open_dataset": "data",
    "restore_run": "restore",
    "train_arm": "arm",
    "tune": "tuned",
}

__all__ = [
    "OBJECTIVES",
    "PAPER",
    "ArmComparison",
    "ArmResult",
    "ArmSpec",
    "ArmTuner",
    "Experiment",
    "FinishedRun",
    "Outputs",
    "RestoredRun",
    "RunConfig",
    "SeedResult",
    "Settings",
    "TrainedArm",
    "build_recommender",
    "compare_arms",
    "open_dataset",
    "restore_run",
    "train_arm",
    "tune",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
