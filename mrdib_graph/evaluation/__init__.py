"""Full-ranking evaluation and paired statistics."""

from mrdib_graph.evaluation.evaluator import Evaluator, EvaluatorConfig
from mrdib_graph.evaluation.result import MetricResult
from mrdib_graph.evaluation.significance import (
    Comparison,
    average_over_seeds,
    compare,
    holm,
    noise_floor,
    seed_test,
)
from mrdib_graph.evaluation.slices import (
    by_slice,
    cold_items,
    item_slices,
    slice_metrics,
    user_slices,
)
from mrdib_graph.evaluation.top_k import top_k

__all__ = [
    "Comparison",
    "Evaluator",
    "EvaluatorConfig",
    "MetricResult",
    "average_over_seeds",
    "by_slice",
    "cold_items",
    "compare",
    "holm",
    "item_slices",
    "noise_floor",
    "seed_test",
    "slice_metrics",
    "top_k",
    "user_slices",
]
