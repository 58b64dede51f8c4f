"""The same arms on data of their own for each of several seeds, compared seed by seed."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from torch_geometric.data import HeteroData

from mrdib_graph.atomic_file import write_json
from mrdib_graph.baselines import Baseline
from mrdib_graph.evaluation import Evaluator
from mrdib_graph.experiment.arms import Arm, build_arms, possible_arms
from mrdib_graph.experiment.config import RunConfig
from mrdib_graph.experiment.fit_baselines import Fits, fitting_baselines
from mrdib_graph.experiment.paired_table import Against
from mrdib_graph.experiment.presets import METHOD
from mrdib_graph.experiment.report import MAIN_METRIC
from mrdib_graph.experiment.results import CLOSED_FORM
from mrdib_graph.experiment.trained_arm import TrainedArm, train_arms

OfSeed = TypeVar("OfSeed")

METRICS = (MAIN_METRIC, "ndcg@20")


def with_data_seed(config: RunConfig, seed: int) -> RunConfig:
    """The configuration on another planted set or another split, with that training seed."""
    if config.dataset == "planted":
        options = {**config.dataset_options, "seed": seed}
        return dataclasses.replace(config, dataset_options=options, seeds=[seed])
    return dataclasses.replace(config, split_seed=seed, seeds=[seed])


def over_seeds(
    what: str, seeds: Sequence[int], run: Callable[[int], OfSeed], out: str | None
) -> list[OfSeed]:
    """What ``run`` gives for each seed.

    Args:
        what: Key of the seeds in the file.
        seeds: The seeds.
        run: Seed to JSON-ready results.
        out: JSON file with ``what`` and ``results``, written after every seed.
    """
    results: list[OfSeed] = []
    for seed in seeds:
        results.append(run(seed))
        if out is not None:
            content: dict[str, Any] = {what: list(seeds[: len(results)]), "results": results}
            write_json(Path(out), content)
    return results


def train_possible(
    config: RunConfig, data: HeteroData, evaluator: Evaluator
) -> Iterator[TrainedArm]:
    """Every arm of a configuration that its backbone can have, trained with every seed."""
    arms = possible_arms(build_arms(config), data, lambda line: print(line, file=sys.stderr))
    yield from train_arms(arms, config.seeds, data, evaluator, quiet=config.quiet)


def fitted_baselines(
    config: RunConfig, data: HeteroData, evaluator: Evaluator
) -> dict[str, Baseline]:
    """The closed-form baselines of a configuration that fit the data, by the name of their row."""
    fits = Fits(data, evaluator, MAIN_METRIC)
    found = {name: fits.best(name) for name in fitting_baselines(config.baselines, data)}
    return {f"{name} {CLOSED_FORM}": fit.baseline for name, fit in found.items() if fit is not None}


def row_name(arm: Arm) -> str:
    """How an arm's row is called: ``'vbpr mrdib'``."""
    return f"{arm.backbone_name} {arm.name}"


def comparisons(arms: Sequence[Arm]) -> dict[str, Against]:
    """Heading to what each row is compared with: bare, its partner, and MRdIB's arms with it.

    A row that is no arm's, as one that ranks by content alone, begins with its backbone's name.
    """
    partners = {
        row_name(arm): f"{arm.backbone_name} {arm.partner}"
        for arm in arms
        if arm.partner not in (None, "bare")
    }

    def over_partner(row: str) -> tuple[str, str] | None:
        return (row, partners[row]) if row in partners else None

    found = {"over bare %": _beside("bare", first=False)}
    if partners:
        found["over partner %"] = over_partner
    names = {arm.name for arm in arms}
    return found | {f"{n} over it %": _beside(n, first=True) for n in METHOD if n in names}


def _beside(arm: str, first: bool) -> Against:
    """Each row and an arm of its backbone, which is the first or the second of the two."""

    def pair(row: str) -> tuple[str, str] | None:
        other = f"{row.split()[0]} {arm}"
        return None if row == other else (other, row) if first else (row, other)

    return pair
