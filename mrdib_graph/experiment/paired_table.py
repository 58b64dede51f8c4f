"""A table of rows measured on the same seeds, each compared with another row, seed by seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from tabulate import tabulate

from mrdib_graph.evaluation import holm, seed_test
from mrdib_graph.experiment.report import p_text
from mrdib_graph.typing import Metrics

Result = Mapping[str, Metrics]
"""Row name to its metrics, on one seed."""

Against = Callable[[str], tuple[str, str] | None]
"""Row name to what is compared: the row that is better if the gain is above 0, and its base."""


def gain_columns(results: Sequence[Result], metric: str, against: Against) -> list[list[str]]:
    """Gain in percent of the base's mean, its range over seeds, and p with Holm's, for each row.

    The p value is that of a paired t test over seeds, Holm's over the rows of the column; it is
    empty with one seed.
    """
    gains: list[list[str]] = []
    p_values: dict[int, float] = {}
    for name in results[0]:
        pair = against(name)
        if pair is None or not set(pair) <= set(results[0]):
            gains.append(["", "", ""])
            continue
        first, second = (np.array([r[row][metric] for r in results]) for row in pair)
        if not second.all():
            gains.append(["", "base 0", ""])
            continue
        each = 100 * (first / second - 1)
        gain = 100 * (first.mean() / second.mean() - 1)
        if len(results) > 1:
            p_values[len(gains)] = seed_test(second.tolist(), first.tolist())
        gains.append([_percent(gain), f"{_percent(each.min())} to {_percent(each.max())}", ""])
    for row, adjusted in zip(p_values, holm(list(p_values.values())), strict=True):
        gains[row][2] = f"{p_text(p_values[row])} ({p_text(adjusted)})"
    return gains


def _percent(value: float) -> str:
    return f"{round(float(value), 1) + 0.0:+.1f}"  # the sum turns -0.0 into 0.0


def paired_table(
    results: Sequence[Result],
    metrics: Sequence[str],
    comparisons: Mapping[str, Against],
    what: str,
) -> str:
    """One line a row: mean ± sd over seeds of each metric, and gains of the first metric.

    Args:
        results: Rows of each seed, the same rows in the same order.
        metrics: Names of the metrics; a row's value of the first is what is compared.
        comparisons: Heading to what is compared.
        what: Heading of the rows.
    """
    lines = []
    columns = [gain_columns(results, metrics[0], against) for against in comparisons.values()]
    for place, name in enumerate(results[0]):
        line = [name]
        for metric in metrics:
            values = np.array([r[name][metric] for r in results])
            sd = f" ± {values.std(ddof=1):.4f}" if len(results) > 1 else ""
            line.append(f"{values.mean():.4f}{sd}")
        lines.append(line + [text for column in columns for text in column[place]])
    headings = [what, *metrics]
    for heading in comparisons:
        headings += [heading, "range", "p (Holm)"]
    return tabulate(lines, headers=headings, tablefmt="github", disable_numparse=True)
