"""The closed-form baselines, each with its one setting chosen on validation."""

from __future__ import annotations

import logging
import time
from typing import Any

from torch_geometric.data import HeteroData

from mrdib_graph import baselines, resolver
from mrdib_graph.baselines import Baseline
from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import Evaluator, MetricResult
from mrdib_graph.experiment.results import ArmResult, SeedResult
from mrdib_graph.training import memory_mb

logger = logging.getLogger(__name__)

ARM = "closed-form"
"""The arm of every baseline."""

# A handful of values each: one closed form costs about a second, and zero tuning would flatter us.
_GRIDS: dict[str, list[dict[str, Any]]] = {
    "popularity": [{}],
    "itemknn": [{"k": k, "shrink": s} for k in (20, 100, 400) for s in (0.0, 10.0)],
    "contentcosine": [{}],
    "ease": [{"l2_weight": w} for w in (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)],
}


def baseline_class(name: str) -> type[Baseline] | None:
    """The baseline of that name, or None where it is no baseline."""
    return resolver.choices(baselines, Baseline).get(resolver.key(name))


def check_baseline(name: str) -> None:
    """Raise a ``ConfigError`` for a name that is no baseline."""
    resolver.resolve_class(name, baselines, Baseline, "baselines")


def fit_baseline(
    name: str, data: HeteroData, evaluator: Evaluator, monitor: str
) -> tuple[Baseline, MetricResult] | None:
    """Fit over the grid and choose on validation; the baseline and its validation result.

    Returns None, with a warning, where the baseline refuses the size of the data.
    """
    cls: type[Baseline] = resolver.resolve_class(name, baselines, Baseline, "baselines")
    best: tuple[float, Baseline, MetricResult] | None = None
    for options in _GRIDS.get(resolver.key(name), [{}]):
        try:
            fitted = cls(**options).fit(data)
        except ConfigError as error:
            logger.warning("baseline %s left out: %s", name, error)
            return None
        val = evaluator.evaluate_scores(fitted.score, "val")
        if best is None or val.mean[monitor] > best[0]:
            best = (val.mean[monitor], fitted, val)
    assert best is not None
    return best[1:]


def run_baseline(
    name: str, data: HeteroData, evaluator: Evaluator, monitor: str
) -> ArmResult | None:
    """Fit over the grid, choose on validation, evaluate test once; None as :func:`fit_baseline`."""
    started = time.perf_counter()
    found = fit_baseline(name, data, evaluator, monitor)
    if found is None:
        return None
    fitted, val = found
    test = evaluator.evaluate_scores(fitted.score, "test")
    result = SeedResult(
        seed=0,
        best_epoch=0,
        epochs=1,
        seconds_per_epoch=time.perf_counter() - started,
        peak_memory_mb=memory_mb(),
        val=val.mean,
        test=test.mean,
        users=test.users,
        per_user=test.per_user,
    )
    return ArmResult(resolver.key(name), ARM, [result])
