"""How time and memory grow with the graph: four sizes, edges and nodes doubled each time.

    python benchmarks/growth.py --out benchmarks/results/growth.json --figure growth.png

Every backbone runs at every size in a process of its own, by one thread, in CPU time, so that other
work on the machine counts for little.  The slope is that of the least-squares line through the
logarithms of value and interactions: 1 is linear.  A step is one on a batch of 2048, the median
over two to seven after the first of an epoch, or one where two take ten seconds (``steps_timed``);
memory is the peak beyond what the process held after its imports.  Needs an operating system that
can fork.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from statistics import linear_regression, median
from typing import Any

import torch
from tabulate import tabulate

from mrdib_graph.atomic_file import write_json
from mrdib_graph.cli.exit_status import exit_status
from mrdib_graph.cli.parser import Parser
from mrdib_graph.experiment.environment import environment
from mrdib_graph.plotting import growth_curves
from mrdib_graph.testing.measure import peak_resident, run_apart
from mrdib_graph.testing.random_graph import Shape, random_graph
from mrdib_graph.testing.timed_training import TimedTraining, backbones_of

SIZES = tuple(Shape(4_000 * f, 1_500 * f, 25_000 * f) for f in (1, 2, 4, 8))
WIDTHS = {"image": 256, "text": 64}
TARGET = 1.1

MENTOR: dict[str, dict[str, Any]] = {
    "mentor, without contrast": {"contrast_weight": 0.0},
    "mentor, sampled contrast": {"contrast_rows": 1024},
}
"""MENTOR's contrast compares all users and all items with one another, by its definition."""

STEPS = (3, 8)
"""Steps at least and at most, the first of which is not counted."""

SECONDS = (2.0, 10.0)
"""CPU seconds of steps to time, and after how many even fewer steps must do."""

VALUES = ("prepare_s", "step_s", "epoch_s", "tables_s", "memory_mb")
WITH_TARGET = ("step_s", "memory_mb")

Row = dict[str, Any]


def measure(name: str, shape: Shape) -> Row:
    """Seconds of CPU and MB of one backbone at one size, in this process."""
    before, clock = peak_resident(), time.process_time
    data = random_graph(shape, WIDTHS)
    started = clock()
    training = TimedTraining(name.partition(",")[0], data, **MENTOR.get(name, {}))
    prepared = clock() - started
    training.begin_epoch()
    seconds: list[float] = []
    while len(seconds) < STEPS[0] or (sum(seconds) < SECONDS[0] and len(seconds) < STEPS[1]):
        started = clock()
        training.step()
        seconds.append(clock() - started)
        if sum(seconds) > SECONDS[1]:
            break
    step = median(seconds[1:] or seconds)  # the first one rebuilds what an epoch rebuilds
    started = clock()
    training.recommender.tables(training.data)
    return {
        "backbone": name,
        **shape._asdict(),
        "prepare_s": prepared,
        "step_s": step,
        "steps_timed": len(seconds[1:] or seconds),
        "epoch_s": seconds[0] + (len(training.loader) - 1) * step,
        "tables_s": clock() - started,
        "memory_mb": peak_resident() - before,
    }


def slope(rows: list[Row], value: str) -> float:
    """Slope of the line through log value over log interactions."""
    logs = [[math.log(row[key]) for row in rows] for key in ("pairs", value)]
    return linear_regression(*logs).slope


def slopes(rows: list[Row]) -> list[Row]:
    """The slope of every value for every backbone, and whether those with a target meet it."""
    found = []
    for name in dict.fromkeys(row["backbone"] for row in rows):
        mine = [row for row in rows if row["backbone"] == name]
        if len(mine) > 1:
            of = {value: round(slope(mine, value), 2) for value in VALUES}
            meets = all(of[value] <= TARGET for value in WITH_TARGET)
            found.append({"backbone": name, **of, "target": TARGET, "meets": meets})
    return found


def table(rows: list[Row]) -> str:
    """Slopes, and the values at the largest size."""
    lines = []
    for row in slopes(rows):
        largest = [r for r in rows if r["backbone"] == row["backbone"]][-1]
        lines.append(
            [
                row["backbone"],
                *(row[value] for value in VALUES),
                f"{1000 * largest['step_s']:.0f}",
                f"{largest['memory_mb']:.0f}",
                "yes" if row["meets"] else "no",
            ]
        )
    headings = ["backbone", "build", "step", "epoch", "tables", "memory"]
    headings += ["step ms", "peak MB", f"step, memory <= {TARGET}"]
    return tabulate(lines, headings, tablefmt="github", floatfmt=".2f")


def main(argv: list[str]) -> None:
    """Measure, print a table, write JSON and a figure where the flags say."""
    parser = Parser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backbone", default="all", help="comma list, or all")
    parser.add_argument("--sizes", type=int, default=len(SIZES), help="how many of the sizes")
    parser.add_argument("--shrink", type=int, default=1, help="divide every size by this")
    parser.add_argument(
        "--out", type=Path, help="JSON file, written after each backbone; its rows are kept"
    )
    parser.add_argument("--figure", type=Path, help="image file")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    names = backbones_of(arguments.backbone)
    if "mentor" in names:
        at = names.index("mentor")
        names[at:at] = MENTOR
    rows: list[Row] = []
    if arguments.out and arguments.out.is_file():
        kept = json.loads(arguments.out.read_text(encoding="utf-8"))["rows"]
        rows = [row for row in kept if row["backbone"] not in names]
    for name in names:
        for shape in SIZES[: arguments.sizes]:
            smaller = Shape(*(n // arguments.shrink for n in shape))
            rows.append(run_apart(measure, name, smaller))
            print(rows[-1], file=sys.stderr, flush=True)
        if arguments.out:
            content = {
                "measured": f"cpu clock, 1 thread, widths {WIDTHS}, batches of 2048",
                "machine": environment(torch.device("cpu")),
                "rows": rows,
                "slopes": slopes(rows),
            }
            write_json(arguments.out, content)
    print(table(rows))
    if arguments.figure:
        growth_curves(rows).savefig(arguments.figure)


if __name__ == "__main__":
    sys.exit(exit_status(main))
