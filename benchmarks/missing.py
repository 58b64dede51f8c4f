"""What missing modalities cost, and what brings it back: shares of the features masked.

    python benchmarks/missing.py --backbone vbpr --data-seeds 1,2,3,4,5 --out missing.json

Each data seed makes a new planted set, or a new split of a real one, as in ``over_data.py``, and
masks each share of every modality's features with that seed; a larger share masks all that a
smaller one does.  Every method is trained on the same masked data and tested on all items, and on
the items that lack a modality.  The test is paired over data seeds.  ``--out`` names a JSON file,
written after every seed; the figure lies beside it.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.cli.exit_status import exit_status
from mrdib_graph.cli.parser import name_list, number_list
from mrdib_graph.cli.run import build_parser, read_config
from mrdib_graph.errors import ConfigError, suggest
from mrdib_graph.evaluation import Evaluator, slice_metrics
from mrdib_graph.experiment import (
    Arm,
    RunConfig,
    build_arms,
    open_dataset,
    possible_arms,
    train_arms,
)
from mrdib_graph.experiment.config import settings_name
from mrdib_graph.experiment.over_seeds import METRICS, over_seeds, with_data_seed
from mrdib_graph.experiment.paired_table import Result, paired_table
from mrdib_graph.experiment.recommenders import backbone_class
from mrdib_graph.options import parameters
from mrdib_graph.plotting import missing_curves
from mrdib_graph.transforms import MaskFeatures, PropagateFeatures
from mrdib_graph.typing import Metrics

LACKING = tuple(f"lacking {name}" for name in METRICS)
"""The metrics over positives that lack a modality."""


@dataclass(frozen=True)
class Method:
    """What is done about missing features: how they are filled or learned, and what is trained."""

    arm: str
    fill: Literal["none", "interactions", "knn"] = "none"
    options: Mapping[str, Any] = field(default_factory=dict)
    learned: bool = False


_SHARED = {"user_side": "shared", "fusion": "sum"}
_POE = {"user_side": "shared", "fusion": "poe"}
METHODS = {
    "zero-fill": Method("bare"),
    "propagation": Method("bare", "interactions"),
    "propagation-knn": Method("bare", "knn"),
    "modality-dropout": Method("modality-dropout"),
    "shared": Method("bare", options=_SHARED),
    "poe": Method("bare", options=_POE),
    "poe-dropout": Method("modality-dropout", options=_POE),
    "id-dropout": Method("id-dropout"),
    "content-loss": Method("content-loss"),
    "mrdib": Method("mrdib"),
    "late": Method("bare-late"),
    "id-dropout-late": Method("id-dropout-late"),
    "content-loss-late": Method("content-loss-late"),
    "mrdib-late": Method("mrdib-late"),
    "propagation-mrdib": Method("mrdib", "interactions"),
    "learned": Method("bare", learned=True),
    "learned-content-loss": Method("content-loss", learned=True),
    "learned-mrdib": Method("mrdib", learned=True),
    "no-content": Method("no-content"),
}
DEFAULT = (
    "zero-fill,propagation,propagation-knn,learned,modality-dropout,shared,poe,mrdib,"
    "learned-mrdib,no-content"
)
BASE = {"poe": "shared", "poe-dropout": "shared"}
"""What a method is compared with, where it is not the first one: same user side."""


def available(names: Sequence[str], config: RunConfig, data: HeteroData) -> dict[str, Method]:
    """The methods of those names that can be had here; why others cannot is printed.

    Raises:
        ConfigError: A name is unknown, or none is left.
    """
    found = {}
    for name in names:
        if name not in METHODS:
            near = suggest(name, list(METHODS)) or "."
            raise ConfigError(f"--methods: '{name}' is unknown{near} Choices: {', '.join(METHODS)}")
        if reason := _why_not(METHODS[name], config, data):
            print(f"{name} left out: {reason}", file=sys.stderr)
        else:
            found[name] = METHODS[name]
    if not found:
        raise ConfigError(f"--methods: none of {', '.join(names)} can be had here")
    return found


def _why_not(method: Method, config: RunConfig, data: HeteroData) -> str:
    [backbone] = config.backbone
    known = parameters(backbone_class(backbone))
    lacking = [name for name in method.options if name not in known]
    if lacking:
        return f"{settings_name(backbone)} has no option {lacking[0]}"
    if method.fill == "knn" and len(graph.modalities(data)) < 2:
        return "there is one modality"
    reasons: list[str] = []
    possible_arms([arm_of(method, config)], data, reasons.append)
    return "".join(reasons)


def arm_of(method: Method, config: RunConfig) -> Arm:
    """The arm that a method trains: with options of the backbone, and learned codes."""
    name = settings_name(config.backbone[0])
    settings = config.settings[name]
    options = {**settings.options, **method.options}
    changed = dataclasses.replace(settings, options=options, missing_codes=method.learned)
    settings_of = {**config.settings, name: changed}
    return build_arms(dataclasses.replace(config, arms=[method.arm], settings=settings_of))[0]


def without_filling(method: Method) -> Method:
    """What a method is where nothing is missing."""
    return dataclasses.replace(method, fill="none", learned=False)


def lacking_items(data: HeteroData) -> Tensor:
    """Items that lack at least one modality, mask [I]."""
    masks = [graph.item_features(data, m)[1] for m in graph.modalities(data)]
    return ~torch.stack(masks).all(0)


def train_and_test(
    method: Method, config: RunConfig, data: HeteroData, lacking: Tensor, part: str
) -> Metrics:
    """Train one method on masked data; its metrics over all items and over those lacking."""
    if method.fill != "none":
        data = PropagateFeatures(method.fill)(data)
    evaluator = Evaluator(data)
    [trained] = train_arms(
        [arm_of(method, config)], config.seeds, data, evaluator, quiet=config.quiet
    )
    result = trained.fit.test_result
    if part == "val":
        device = next(trained.recommender.parameters()).device
        result = evaluator(*trained.recommender.tables(data.to(device)), "val")
    found = {name: result.mean[name] for name in METRICS}
    if bool(lacking[result.positives[1]].any()):
        sliced = slice_metrics(result, items=lacking).mean
        found |= {name: sliced[m] for name, m in zip(LACKING, METRICS, strict=True)}
    return found


def run_seed(
    config: RunConfig, seed: int, methods: Mapping[str, Method], arguments: argparse.Namespace
) -> dict[str, Result]:
    """Metrics of every share and method on one data seed."""
    here = with_data_seed(config, seed)
    whole = open_dataset(here)[0]
    masked = name_list(arguments.masked) if arguments.masked else None
    found: dict[str, Result] = {}
    for share in arguments.shares:
        data = MaskFeatures(share, seed, masked)(whole)
        lacking = lacking_items(data)
        done: dict[str, Metrics] = {}
        rows: dict[str, Metrics] = {}
        for name, method in methods.items():
            if not bool(lacking.any()):  # nothing to fill
                method = without_filling(method)
            if str(method) not in done:
                done[str(method)] = train_and_test(method, here, data, lacking, arguments.part)
            rows[name] = done[str(method)]
        found[f"{share:g}"] = rows
        line = ", ".join(f"{name} {m[METRICS[0]]:.4f}" for name, m in rows.items())
        print(f"data seed {seed}, {100 * share:g}% masked: {line}", flush=True)
    return found


def summary(results: Sequence[Mapping[str, Result]]) -> str:
    """Two tables a share: over all items, and over the items that lack a modality."""
    parts = []
    for share in results[0]:
        rows = _without_twins([result[share] for result in results])
        first = next(iter(rows[0]))

        def against(name: str, first: str = first) -> tuple[str, str] | None:
            base = BASE.get(name, first)
            return None if name == base else (name, base)

        over = {f"over {first} %": against}
        masked = f"{100 * float(share):g}% masked"
        parts.append(f"{masked}, all items")
        parts.append(paired_table(rows, METRICS, over, "method"))
        if all(LACKING[0] in metrics for row in rows for metrics in row.values()):
            parts.append(f"{masked}, items that lack a modality")
            parts.append(paired_table(rows, LACKING, over, "method"))
    named = ", ".join(f"{name} over {base}" for name, base in BASE.items())
    return "\n\n".join([*parts, f"{named}: the same, but for the fusion."])


def _without_twins(rows: Sequence[Result]) -> list[Result]:
    """Without the methods that were another's training, as nothing was missing to be filled."""
    plain = [name for name in rows[0] if METHODS[name] == without_filling(METHODS[name])]
    kept = [
        name
        for name in rows[0]
        if name in plain or not any(all(row[name] == row[p] for row in rows) for p in plain)
    ]
    return [{name: row[name] for name in kept} for row in rows]


def draw(results: Sequence[Mapping[str, Result]], path: Path) -> None:
    """The figure: the main metric over the share masked, on all items and on those lacking."""
    panels: dict[str, dict[str, dict[float, list[float]]]] = {}
    for title, metric in (("all items", METRICS[0]), ("items lacking a modality", LACKING[0])):
        lines: dict[str, dict[float, list[float]]] = {}
        for result in results:
            for share, rows in result.items():
                for name, metrics in rows.items():
                    if metric in metrics:
                        points = lines.setdefault(name, {})
                        points.setdefault(float(share), []).append(metrics[metric])
        if lines:
            panels[title] = lines
    missing_curves(panels, METRICS[0]).savefig(path)


def main(argv: list[str]) -> None:
    """Run every data seed, print the tables, and write them where ``--out`` says."""
    parser = build_parser()
    parser.add_argument("--data-seeds", default="1,2,3,4,5", help="comma list")
    parser.add_argument("--shares", default="0,0.1,0.3,0.5,0.7,0.9", help="masked, comma list")
    parser.add_argument("--methods", default=DEFAULT, help=f"some of {', '.join(METHODS)}")
    parser.add_argument("--masked", metavar="X", help="modalities masked, comma list; default all")
    parser.add_argument("--part", choices=["test", "val"], default="test", help="what is scored")
    arguments = parser.parse_args(argv)
    if arguments.arms is not None:
        raise ConfigError("--arms: the methods say what is trained; use --methods")
    out, arguments.out = arguments.out, None
    config = read_config(arguments)
    if len(config.backbone) != 1:
        raise ConfigError(f"--backbone: got {', '.join(config.backbone)}, expected one")
    arguments.shares = number_list(arguments.shares, "--shares", float)
    seeds = number_list(arguments.data_seeds, "--data-seeds", int)
    data = open_dataset(with_data_seed(config, seeds[0]))[0]
    methods = available(name_list(arguments.methods), config, data)
    results = over_seeds(
        "data_seeds", seeds, lambda seed: run_seed(config, seed, methods, arguments), out
    )
    print("\n" + summary(results))
    if out is not None:
        draw(results, Path(out).with_suffix(".png"))


if __name__ == "__main__":
    sys.exit(exit_status(main))
