"""Seconds of functions that take turns, and the peak memory of a process of its own."""

from __future__ import annotations

import math
import multiprocessing
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

Result = TypeVar("Result")

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


class Timer:
    """Seconds of functions that are called in turn, so that a busy machine slows all alike.

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


def run_apart(function: Callable[..., Result], *args: Any, limit_gb: float = math.inf) -> Result:
    """What a function returns in a process of its own, which holds nothing but its imports before.

    Its threads are as many as here.  Needs an operating system that can fork.

    Args:
        function: At the top level of a module.
        args: Its arguments; they and the result are sent between the processes.
        limit_gb: Memory that the process may take, in units of 10^9 bytes.
    """
    import torch

    context = multiprocessing.get_context("forkserver")  # forks a process without any thread
    context.set_forkserver_preload([__name__, "mrdib_graph.recommender"])  # imports once, for all
    given = (torch.get_num_threads(), limit_gb)
    with ProcessPoolExecutor(1, context, _limit, given) as pool:
        return pool.submit(function, *args).result()


def _limit(threads: int, limit_gb: float) -> None:
    import torch

    torch.set_num_threads(threads)
    if math.isfinite(limit_gb):
        import resource

        size = int(limit_gb * 1e9)
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
