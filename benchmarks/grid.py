"""Small grids on validation, the way the settings in ``configs/`` were chosen.

    python benchmarks/grid.py --backbone vbpr --dataset lastfm2k --root ../shared/data \
        --arms bare,mrdib --seeds 100 --grid reg_fused=0.01,0.02,0.04

Every arm gets the same points.  Only validation is printed: test is for the main job.  ``--out``
names a table (CSV) of the points, from which ``report.py`` draws how much each setting matters.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from script import start

from mrdib_graph.cli import run as main_job
from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import Evaluator
from mrdib_graph.experiment import build_arm, build_arms, open_dataset, train_arms
from mrdib_graph.experiment import config as configuration
from mrdib_graph.experiment.config import settings_name
from mrdib_graph.tuning import Trial, write_trials

MONITOR = "recall@20"


def parse_grid(text: str) -> tuple[str, list[str]]:
    """``key=a,b,c`` to the key and its values.

    Raises:
        ConfigError: There is no ``=`` or no value.
    """
    key, equals, values = text.partition("=")
    if not key or not equals or not values:
        raise ConfigError(f"--grid {text}: expected KEY=VALUE,VALUE")
    return key, values.split(",")


def own_values(point: dict[str, str], arm: str) -> dict[str, Any]:
    """A point's settings of one arm, named as the arm names them; those of other arms left out."""
    found = {}
    for key, text in point.items():
        part, _, rest = key.partition(".")
        named, _, own = rest.partition(".")
        if part != "arms":
            found[key] = configuration.parse_value(text)
        elif named in ("ARM", arm):
            found[own] = configuration.parse_value(text)
    return found


def search(argv: list[str]) -> None:
    """Train every arm on every point and print validation means, best first."""
    parser = main_job.build_parser()
    parser.add_argument("--grid", action="append", default=[], help="KEY=VALUE,VALUE; repeatable")
    arguments = parser.parse_args(argv)
    given, out, arguments.out = arguments.set, arguments.out, None
    config = main_job.read_config(arguments)
    axes = [parse_grid(text) for text in arguments.grid]
    grid = dict(axes)
    if len(grid) < len(axes):
        keys = ", ".join(key for key, _ in axes)
        raise ConfigError(f"--grid: got {keys}, which names one twice; give its values together")
    points = [dict(zip(grid, p, strict=True)) for p in itertools.product(*grid.values())]
    tried = {}
    for backbone, arm in itertools.product(config.backbone, config.arms):
        for number, point in enumerate(points):  # a wrong key fails before anything is read
            arguments.set = given + [
                f"settings.{settings_name(backbone)}.{key.replace('ARM', arm)}={value}"
                for key, value in point.items()
            ]
            here = main_job.read_config(arguments)
            build_arms(dataclasses.replace(here, backbone=[backbone], arms=[arm]))
            settings = here.settings[settings_name(backbone)]
            tried[backbone, arm, number] = build_arm(settings, backbone, arm)
    data = open_dataset(config)[0]
    evaluator = Evaluator(data)
    trials = []
    for backbone, arm in itertools.product(config.backbone, config.arms):
        rows = []
        name = settings_name(backbone)
        for number, point in enumerate(points):
            arms = [tried[backbone, arm, number]]
            runs = list(train_arms(arms, config.seeds, data, evaluator, quiet=config.quiet))
            value = float(np.mean([r.fit.val[MONITOR] for r in runs]))
            epochs = ", ".join(f"{r.fit.best_epoch + 1} of {r.fit.epochs}" for r in runs)
            rows.append((value, f"{point}", epochs))
            values = own_values(point, arm)
            best_epochs = tuple(r.fit.best_epoch for r in runs)
            seconds = sum(r.fit.epochs * r.fit.seconds_per_epoch for r in runs)
            trials.append(Trial(name, arm, number, MONITOR, value, values, best_epochs, seconds))
            print(f"{name} {arm} {rows[-1][1]}: {value:.4f} (epochs {epochs})", flush=True)
        best = max(rows)
        print(f"best of {name} {arm}: {best[1]} with validation {MONITOR} {best[0]:.4f}")
    if out is not None:
        write_trials(Path(out), trials)


if __name__ == "__main__":
    start(search)
