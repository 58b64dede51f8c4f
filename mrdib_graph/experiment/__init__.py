"""The main job: backbones, arms and seeds of a configuration, compared and written down."""

from mrdib_graph.experiment.arm import ArmSpec, TrainedArm, train_arm
from mrdib_graph.experiment.data import open_dataset
from mrdib_graph.experiment.finished import FinishedRun
from mrdib_graph.experiment.objectives import OBJECTIVES, PAPER, build_recommender
from mrdib_graph.experiment.outputs import Outputs
from mrdib_graph.experiment.restore import RestoredRun, restore_run
from mrdib_graph.experiment.results import ArmComparison, ArmResult, SeedResult, compare_arms
from mrdib_graph.experiment.runner import Experiment
from mrdib_graph.experiment.tune_arms import ArmTuner
from mrdib_graph.experiment.tuned import tune

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
    "SeedResult",
    "TrainedArm",
    "build_recommender",
    "compare_arms",
    "open_dataset",
    "restore_run",
    "train_arm",
    "tune",
]
