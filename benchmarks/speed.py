"""Speed and memory: ratios of two sides in one process, and what each backbone costs.

    python benchmarks/speed.py --shape baby --backbone all --out benchmarks/results/speed.json

Both sides of a ratio alternate, each is warmed up, and the median of ``--repeats`` is taken, or of
as many as ``--seconds`` leave time for.  On a machine that others use, ``--clock cpu`` counts the
CPU time of the process.  The peak memory of a backbone is that of a process of its own.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).parent))

from script import start, write_json
from shapes import SHAPES, make_graph

from mrdib_graph import backbones, resolver
from mrdib_graph.backbones import Backbone
from mrdib_graph.experiment.environment import environment

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True)
class Row:
    """One measured value and, where there is one, the target that it should stay on the side of."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_most: bool = True

    @property
    def meets(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target


class Timer:
    """Seconds of functions that are called in turn.

    Args:
        clock: Of :data:`CLOCKS`.
        repeats: Timings of each at most.
        seconds: No timing but the first starts later than this after the warm-up, wall time.
    """

    def __init__(self, clock: str, repeats: int, seconds: float = math.inf) -> None:
        self.clock = CLOCKS[clock]
        self.repeats = repeats
        self.seconds = seconds

    def __call__(self, *functions: Callable[[], Any]) -> list[float]:
        """Median seconds of each, after one call of each to warm up."""
        seconds: list[list[float]] = [[] for _ in functions]
        warm = 0.0
        for repeat in range(self.repeats + 1):
            if repeat == 1:
                warm = time.monotonic()
            if repeat > 1 and time.monotonic() - warm > self.seconds:
                break
            for function, values in zip(functions, seconds, strict=True):
                started = self.clock()
                function()
                if repeat:
                    values.append(self.clock() - started)
        return [median(values) for values in seconds]


def names_of(query: str) -> list[str]:
    """Backbone names of a comma list or ``all``."""
    known = resolver.choices(backbones, Backbone)
    if query == "all":
        return sorted(known)
    return [name for name in query.split(",") if name]


def peak_memory(shape: str, name: str) -> float:
    """Peak resident memory in MB of a process that trains ``name`` for a few steps and scores."""
    command = [sys.executable, __file__, "--shape", shape, "--memory-of", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def memory_here(shape: str, name: str) -> float:
    """What :func:`peak_memory` runs; ``none`` makes the graph alone."""
    from speed_rows import Training

    data = make_graph(SHAPES[shape])
    if name != "none":
        training = Training(name, data)
        training.begin_epoch()
        training.step()
        training.step()
        training.recommender.tables(training.data)
    return peak_resident()


def peak_resident() -> float:
    """Peak resident memory of this process in MB.

    ``ru_maxrss`` will not do on Linux: a child starts with its parent's.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def write_results(path: Path, rows: list[Row], costs: list[dict[str, Any]], about: str) -> None:
    """Machine, targets and costs as JSON."""
    machine = environment(torch.device("cpu"))
    content = {
        "measured": about,
        "machine": machine,
        "rows": [{**asdict(row), "meets": row.meets} for row in rows],
        "backbones": costs,
    }
    write_json(path, content)


def main(argv: list[str]) -> None:
    """Measure, print two tables and write them where ``--out`` says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shape", choices=list(SHAPES), default="baby", help="size of the graph")
    parser.add_argument("--backbone", default="all", help="comma list, or all")
    parser.add_argument("--repeats", type=int, default=9, help="timings of each side")
    parser.add_argument("--seconds", type=float, default=4.0, help="at most, for those of a row")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="what is counted")
    parser.add_argument("--threads", type=int, help="of torch; torch's own choice by default")
    parser.add_argument("--no-memory", action="store_true", help="skip the peak memory")
    parser.add_argument("--no-targets", action="store_true", help="backbones' costs alone")
    parser.add_argument("--out", type=Path, help="JSON file")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.memory_of:
        print(memory_here(arguments.shape, arguments.memory_of))
        return
    from speed_rows import backbone_cost, kernel_row, target_rows

    timer = Timer(arguments.clock, arguments.repeats, arguments.seconds)
    data = make_graph(SHAPES[arguments.shape])
    rows = [] if arguments.no_targets else target_rows(data, timer)
    costs = []
    for name in names_of(arguments.backbone):
        cost = backbone_cost(name, data, timer)
        if not arguments.no_memory:
            cost["memory_mb"] = peak_memory(arguments.shape, name)
        costs.append(cost)
        rows.append(kernel_row(cost))
        print(cost, flush=True)
    print("\n" + tabulate(costs, headers="keys", tablefmt="github", floatfmt=".3g"))
    table = [[r.name, r.value, r.unit, _target(r), r.meets] for r in rows]
    headings = ["what", "value", "unit", "target", "meets"]
    print("\n" + tabulate(table, headers=headings, tablefmt="github", floatfmt=".3g"), flush=True)
    if arguments.out:
        about = (
            f"{arguments.shape} shape, {arguments.clock} clock, {torch.get_num_threads()} threads"
        )
        write_results(arguments.out, rows, costs, about)


def _target(row: Row) -> str:
    return "" if row.target is None else f"{'<=' if row.at_most else '>='} {row.target:g}"


if __name__ == "__main__":
    start(main)
