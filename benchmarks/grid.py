"""Small grids on validation, the way the stored settings were chosen.

    python benchmarks/grid.py --backbone vbpr --dataset lastfm2k --root ../shared/data \
        --arms bare,mrdib --seeds 100 --grid reg_fused=0.01,0.02,0.04

Every arm gets the same points.  Only validation is printed: test is for the main job.  ``--out``
names a table (CSV) of the points, from which ``mrdib-graph report`` draws how much each setting
matters.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np

from mrdib_graph.cli.exit_status import exit_status
from mrdib_graph.cli.run import build_parser, read_config
from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import Evaluator
from mrdib_graph.experiment import Arm, build_arms, open_dataset, train_arms
from mrdib_graph.experiment.config import parse_value, settings_name
from mrdib_graph.experiment.over_seeds import row_name
from mrdib_graph.experiment.report import MAIN_METRIC
from mrdib_graph.tuning import Trial, write_trials

Point = dict[str, str]
"""Key of a setting, in which ``ARM`` stands for the arm's name, to its value as it was written."""


def parse_grid(texts: list[str]) -> list[Point]:
    """``key=a,b,c`` of every axis to the points of the grid.

    Raises:
        ConfigError: There is no ``=`` or no value, or a key is there twice.
    """
    axes: dict[str, list[str]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        if not key or not equals or not values:
            raise ConfigError(f"--grid {text}: expected KEY=VALUE,VALUE")
        if key in axes:
            raise ConfigError(f"--grid: got {key} twice; give its values together")
        axes[key] = values.split(",")
    return [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]


def own_values(point: Point, arm: str) -> dict[str, Any]:
    """A point's settings of one arm, named as the arm names them; those of other arms left out."""
    found = {}
    for key, text in point.items():
        part, _, rest = key.partition(".")
        owner, _, own = rest.partition(".")
        if part != "arms":
            found[key] = parse_value(text)
        elif owner in ("ARM", arm):
            found[own] = parse_value(text)
    return found


def arm_at(arguments: argparse.Namespace, backbone: str, name: str, point: Point) -> Arm:
    """One arm with a point's settings."""
    given = copy.copy(arguments)
    given.set = arguments.set + [
        f"settings.{settings_name(backbone)}.{key.replace('ARM', name)}={value}"
        for key, value in point.items()
    ]
    here = dataclasses.replace(read_config(given), backbone=[backbone], arms=[name])
    return build_arms(here)[0]  # what follows is a partner that the grid does not need


def main(argv: list[str]) -> None:
    """Train every arm on every point and print validation means, best first."""
    parser = build_parser()
    parser.add_argument("--grid", action="append", default=[], help="KEY=VALUE,VALUE; repeatable")
    arguments = parser.parse_args(argv)
    out, arguments.out = arguments.out, None
    config = read_config(arguments)
    points = parse_grid(arguments.grid)
    grid = [  # a wrong key fails before anything is read
        [arm_at(arguments, backbone, name, point) for point in points]
        for backbone, name in itertools.product(config.backbone, config.arms)
    ]
    data = open_dataset(config)[0]
    evaluator = Evaluator(data)
    trials = []
    for arms in grid:
        row, values = row_name(arms[0]), []
        for number, (arm, point) in enumerate(zip(arms, points, strict=True)):
            runs = train_arms([arm], config.seeds, data, evaluator, quiet=config.quiet)
            fits = [trained.fit for trained in runs]
            values.append(float(np.mean([fit.val[MAIN_METRIC] for fit in fits])))
            epochs = ", ".join(f"{fit.best_epoch + 1} of {fit.epochs}" for fit in fits)
            print(f"{row} {point}: {values[-1]:.4f} (epochs {epochs})", flush=True)
            trials.append(
                Trial(
                    arm.backbone_name,
                    arm.name,
                    number,
                    MAIN_METRIC,
                    values[-1],
                    own_values(point, arm.name),
                    tuple(fit.best_epoch for fit in fits),
                    sum(fit.epochs * fit.seconds_per_epoch for fit in fits),
                )
            )
        best = int(np.argmax(values))
        print(f"best of {row}: {points[best]} with validation {MAIN_METRIC} {values[best]:.4f}")
    if out is not None:
        write_trials(Path(out), trials)


if __name__ == "__main__":
    sys.exit(exit_status(main))
