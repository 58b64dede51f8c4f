"""The metrics of a run: those that every run has, and what the configuration adds."""

from __future__ import annotations

from collections.abc import Sequence

from mrdib_graph import resolver
from mrdib_graph.evaluation import EvaluatorConfig
from mrdib_graph.experiment.config import RunConfig


def evaluator_config(config: RunConfig) -> EvaluatorConfig:
    """The default metrics, which tables and comparisons read, and those of the configuration.

    Raises:
        ConfigError: A metric is unknown, or there twice.
    """
    default = [str(name) for name in EvaluatorConfig.metrics]
    more = [name for name in config.metrics if resolver.key(name) not in default]
    return EvaluatorConfig(metrics=(*default, *more))


def added(names: Sequence[str]) -> list[str]:
    """Those of some names with their cut-offs that are of no default metric, in their order."""
    return [name for name in names if name.partition("@")[0] not in EvaluatorConfig.metrics]
