"""The main job: backbones, arms and seeds of a configuration, compared and written down.

Names are loaded at first use, so that reading a configuration imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mrdib_graph.experiment.arm_tuner import ArmTuner
    from mrdib_graph.experiment.arms import Arm, build_arm, build_arms, possible_arms
    from mrdib_graph.experiment.config import RunConfig, Settings
    from mrdib_graph.experiment.outputs import Outputs
    from mrdib_graph.experiment.presets import ARMS, CONTROLS, PAPER
    from mrdib_graph.experiment.recommenders import build_recommender
    from mrdib_graph.experiment.results import ArmComparison, ArmResult, SeedResult, compare_arms
    from mrdib_graph.experiment.run_dataset import open_dataset
    from mrdib_graph.experiment.run_tuning import tune
    from mrdib_graph.experiment.runner import Experiment
    from mrdib_graph.experiment.saved_run import RestoredArm, SavedRun
    from mrdib_graph.experiment.trained_arm import TrainedArm, train_arm, train_arms

_MODULES = (
    *("config", "presets", "arms", "recommenders", "run_dataset", "results", "trained_arm"),
    *("outputs", "saved_run", "runner", "arm_tuner", "run_tuning"),
)

__all__ = [
    "ARMS",
    "CONTROLS",
    "PAPER",
    "Arm",
    "ArmComparison",
    "ArmResult",
    "ArmTuner",
    "Experiment",
    "Outputs",
    "RestoredArm",
    "RunConfig",
    "SavedRun",
    "SeedResult",
    "Settings",
    "TrainedArm",
    "build_arm",
    "build_arms",
    "build_recommender",
    "compare_arms",
    "open_dataset",
    "possible_arms",
    "train_arm",
    "train_arms",
    "tune",
]


def __getattr__(name: str) -> object:
    for module in _MODULES if name in __all__ else ():
        found = vars(importlib.import_module(f"{__name__}.{module}"))
        if name in found:
            return found[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
