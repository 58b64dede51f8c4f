"""The closed-form baselines, each with its few settings chosen on validation."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from torch_geometric.data import HeteroData

from mrdib_graph import baselines, graph, resolver
from mrdib_graph.baselines import (
    EASE,
    AddEASE,
    Baseline,
    ContentKNN,
    EASEContent,
    ItemKNN,
    ItemKNNContent,
)
from mrdib_graph.baselines.cease import ContentEASE
from mrdib_graph.baselines.two_parts import TwoParts
from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import Evaluator, MetricResult
from mrdib_graph.experiment.config import DEFAULT_BASELINES
from mrdib_graph.experiment.results import CLOSED_FORM, ArmResult, SeedResult
from mrdib_graph.training import memory_mb

logger = logging.getLogger(__name__)

FEW = 2
"""Settings of a collaborative part, best on validation, that content is added to."""

# A handful of values each: one closed form costs about a second, and zero tuning would flatter us.
_GRIDS: dict[str, list[dict[str, Any]]] = {
    "popularity": [{}],
    "itemknn": [{"k": k, "shrink": s} for k in (20, 100, 400) for s in (0.0, 10.0)],
    "contentcosine": [{}],
    "contentknn": [{"k": k} for k in (10, 20, 100, None)],
    "ease": [{"l2_weight": w} for w in (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)],
    "cease": [
        {"content_weight": a, "l2_weight": w}
        for a in (3.0, 10.0, 30.0)
        for w in (30.0, 100.0, 300.0)
    ],
    "easecontent": [{"content_weight": w} for w in (0.5, 1.0, 1.5, 2.5, 4.0)],
    "itemknncontent": [{"content_weight": w} for w in (0.5, 1.0, 1.5, 2.5, 4.0)],
    "addease": [{"content_weight": w} for w in (0.1, 0.3, 0.5, 0.7)],
}

_PARTS: dict[type[Baseline], tuple[type[Baseline], type[Baseline], list[dict[str, Any]]]] = {
    EASEContent: (EASE, ContentKNN, [{}]),
    ItemKNNContent: (ItemKNN, ContentKNN, [{}]),
    AddEASE: (EASE, ContentEASE, [{"l2_weight": w} for w in (3.0, 30.0)]),
}
"""Of a sum: the collaborative part; the content part and its settings."""


class Fit(NamedTuple):
    """A fitted baseline and its validation result."""

    baseline: Baseline
    val: MetricResult


def baseline_class(name: str) -> type[Baseline] | None:
    """The baseline of that name, or None where it is no baseline."""
    return resolver.choices(baselines, Baseline).get(resolver.key(name))


def check_baseline(name: str) -> type[Baseline]:
    """The baseline of that name, or file; a ``ConfigError`` for a name that is none."""
    found: type[Baseline] = resolver.resolve_class(name, baselines, Baseline, "baselines")
    return found


def fitting_baselines(names: Sequence[str], data: HeteroData) -> list[str]:
    """The baselines less those that come by default and find no content to read in the graph."""
    if graph.modalities(data) or list(names) != DEFAULT_BASELINES:
        return list(names)
    return [name for name in names if not check_baseline(name).reads_content]


class Fits:
    """Fits baselines to one graph over their grids, and chooses on validation.

    The few best fits of a baseline are kept where another one adds content to it.

    Args:
        data: The graph.
        evaluator: Of that graph.
        monitor: The metric to choose by.
    """

    def __init__(self, data: HeteroData, evaluator: Evaluator, monitor: str) -> None:
        self.data, self.evaluator, self.monitor = data, evaluator, monitor
        self._few: dict[type[Baseline], list[Fit]] = {}

    def best(self, name: str) -> Fit | None:
        """The best fit of a baseline; None, with a warning, where it refuses the data."""
        try:
            return self.few(check_baseline(name))[0]
        except ConfigError as error:
            logger.warning("baseline %s left out: %s", name, error)
            return None

    def few(self, cls: type[Baseline]) -> list[Fit]:
        """The best fits of a baseline, best first, of equal ones the first in its grid.

        Raises:
            ConfigError: It refuses the data.
        """
        if cls not in self._few:
            keep = FEW if any(cls is parts[0] for parts in _PARTS.values()) else 1
            best: list[Fit] = []
            for baseline in self._candidates(cls):
                val = self.evaluator.evaluate_scores(baseline.score, "val")
                best.append(Fit(baseline, val))
                best.sort(key=lambda fit: -fit.val.mean[self.monitor])
                del best[keep:]
            self._few[cls] = best
        return self._few[cls]

    def run(self, name: str) -> ArmResult | None:
        """Choose on validation, evaluate test once; None as :meth:`best`."""
        started = time.perf_counter()
        found = self.best(name)
        if found is None:
            return None
        test = self.evaluator.evaluate_scores(found.baseline.score, "test")
        result = SeedResult(
            seed=0,
            best_epoch=0,
            epochs=1,
            seconds_per_epoch=time.perf_counter() - started,
            peak_memory_mb=memory_mb(),
            val=found.val.values,
            test=test.values,
            users=test.users,
            per_user=test.per_user,
        )
        return ArmResult(type(found.baseline).name or resolver.key(name), CLOSED_FORM, [result])

    def _candidates(self, cls: type[Baseline]) -> Iterator[Baseline]:
        """Every setting of a baseline, fitted; the parts of a sum once for all its weights."""
        name = resolver.key(cls.__name__)
        grid = _GRIDS[name] if baseline_class(name) is cls else [{}]
        if not issubclass(cls, TwoParts) or cls not in _PARTS:
            yield from (cls(**options).fit(self.data) for options in grid)
            return
        collaborative, content, settings = _PARTS[cls]
        parts = [content(**options).fit(self.data) for options in settings]
        for fit in self.few(collaborative):
            for part in parts:
                yield from (cls(**options).of_fitted(fit.baseline, part) for options in grid)
