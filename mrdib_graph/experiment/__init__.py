"""The main job: backbones, arms and seeds of a configuration, compared and written down."""

from mrdib_graph.experiment.arm import ArmSpec, TrainedArm, train_arm
from mrdib_graph.experiment.data import open_dataset
from mrdib_graph.experiment.objectives import OBJECTIVES, PAPER, build_recommender
from mrdib_graph.experiment.outputs import Outputs
from mrdib_graph.experiment.results import ArmComparison, ArmResult, SeedResult, compare_arms
from mrdib_graph.experiment.runner import Experiment

__all__ = [
    "OBJECTIVES",
    "PAPER",
    "ArmComparison",
    "ArmResult",
    "ArmSpec",
    "Experiment",
    "Outputs",
    "SeedResult",
    "TrainedArm",
    "build_recommender",
    "compare_arms",
    "open_dataset",
    "train_arm",
]
