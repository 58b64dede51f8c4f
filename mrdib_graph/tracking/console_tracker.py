"""A tracker that prints plain lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TextIO

from typing_extensions import override

from mrdib_graph.options import Count, checked
from mrdib_graph.tracking.tracker import Status, Tracker


class ConsoleTracker(Tracker):
    """Print one plain line for each run that starts or ends and for each call with metrics.

    Args:
        stream: Where to print; standard output when None.
        every: Print the metrics of every n-th step only; metrics without a step always.

    Raises:
        ConfigError: ``every`` is below 1.
    """

    @checked
    def __init__(self, stream: TextIO | None = None, every: Count = 1) -> None:
        self.stream = stream
        self.every = every
        self._runs: list[tuple[str, float]] = []

    @override
    def start_run(self, name: str, *, tags: Mapping[str, str] = {}, **_: object) -> None:
        self._runs.append((name, time.monotonic()))
        self._print(" ".join(["started", *(f"{key}={value}" for key, value in tags.items())]))

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if step is not None and step % self.every:
            return
        values = "  ".join(f"{name} {float(value):.4g}" for name, value in metrics.items())
        self._print(values if step is None else f"epoch {step}  {values}")

    @override
    def end_run(self, status: Status = "finished") -> None:
        self._print(f"{status} after {time.monotonic() - self._runs[-1][1]:.1f} s")
        self._runs.pop()

    @override
    def close(self) -> None:
        while self._runs:
            self.end_run("killed")

    def _print(self, line: str) -> None:
        path = "/".join(name for name, _ in self._runs)
        print(f"[{path}] {line}" if path else line, file=self.stream or sys.stdout, flush=True)
