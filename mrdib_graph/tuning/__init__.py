"""Choosing settings on validation: search spaces, studies that processes share, trials as a table.

Nothing here trains anything: a study is given a function of settings.  optuna (the extra ``tune``)
is imported when a study is opened.
"""

from mrdib_graph.tuning.search_space import Choice, Range, SearchSpace
from mrdib_graph.tuning.study import ArmStudy, Outcome
from mrdib_graph.tuning.trials import Trial, numeric_points, read_trials, write_trials
from mrdib_graph.tuning.tune_config import TuneConfig

__all__ = [
    "ArmStudy",
    "Choice",
    "Outcome",
    "Range",
    "SearchSpace",
    "Trial",
    "TuneConfig",
    "numeric_points",
    "read_trials",
    "write_trials",
]
