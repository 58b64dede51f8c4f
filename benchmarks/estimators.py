"""Bias, spread and cost of the estimators on Gaussian codes, where the information is known.

    python benchmarks/estimators.py

The columns of two codes of width d are correlated pairwise, so that the codes share the same number
of nats at every width.  Each estimator reads ``rows`` nodes at a time.  With data ``fresh``, a
critic learns on new rows at every step and is read on new rows: nothing can be learned by heart.
With data ``same``, it learns on one sample, step after step, and is read on that sample, as in
training on a fixed set of items.  Writes ``estimators.json``, ``.md`` and ``.png`` into ``--out``.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
from annotated_types import Ge
from tabulate import tabulate
from torch import Generator, Tensor

from mrdib_graph import estimators, resolver
from mrdib_graph.atomic_file import write_json, write_text
from mrdib_graph.cli.exit_status import exit_status
from mrdib_graph.cli.parser import Parser, name_list, number_list
from mrdib_graph.errors import ConfigError
from mrdib_graph.estimators import MIEstimator
from mrdib_graph.experiment.environment import environment
from mrdib_graph.options import Count, NonNegative, checked
from mrdib_graph.plotting import estimator_errors
from mrdib_graph.testing.estimators import gaussian_pair, gaussian_pairs, train_critic
from mrdib_graph.testing.measure import Timer

DATA = ("fresh", "same")
ROUNDS = 9
"""Timed rounds of the cost."""

TITLES = (
    "Bias in nats ± standard deviation",
    "Standard deviations between the least and the most nats, fresh rows",
    "CPU milliseconds of a step (times the first estimator's)",
)

Row = dict[str, Any]


Pair = Annotated[int, Ge(2)]
"""A whole number, 2 or more."""


@checked
@dataclass(frozen=True)
class Sizes:
    """What is measured; every field is a flag.

    Raises:
        ConfigError: A size is out of range, or a list is empty.
    """

    estimators: tuple[str, ...] = ("gaussian", "mine", "club", "infonce", "hsic")
    dims: tuple[Count, ...] = (4, 16, 64)
    rows: tuple[Pair, ...] = (64, 256, 1024)
    nats: tuple[NonNegative, ...] = (0.0, 2.0)
    steps: Count = 200
    learning_rate: float = 5e-3
    repeats: Count = 3
    draws: Pair = 10
    cost_rows: tuple[Pair, ...] = (256, 1024, 4096)
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value == ():
                raise ConfigError(f"{name}: got none, expected one or more")


def correlation(nats: float, d: int) -> float:
    """The correlation of d pairs of columns that together share so many nats."""
    return math.sqrt(-math.expm1(-2 * nats / d))


def estimates(
    cls: type[MIEstimator], d: int, rows: int, nats: float, data: str, sizes: Sizes
) -> list[float]:
    """What an estimator says, some draws after each of the repeated trainings.

    On the sample that a critic was trained on there is one value for each training.
    """
    values = []
    for repeat in range(sizes.repeats):
        seed = sizes.seed + 1000 * repeat
        torch.manual_seed(seed)
        estimator, generator = cls(d), Generator().manual_seed(seed)
        # without a critic there is nothing to learn by heart: every sample is a fresh one
        fresh = data == "fresh" or not any(p.requires_grad for p in estimator.parameters())
        codes = gaussian_pairs(rows, d, correlation(nats, d), generator, fresh)
        train_critic(estimator, codes, sizes.steps, sizes.learning_rate, generator)
        with torch.no_grad():
            for _ in range(sizes.draws if fresh else 1):
                values.append(float(estimator(*next(codes), generator)))
    return values


def measure(classes: dict[str, type[MIEstimator]], sizes: Sizes) -> list[Row]:
    """Mean, bias and standard deviation of every estimator in every cell."""
    found = []
    cells = itertools.product(sizes.dims, sizes.rows, sizes.nats, classes.items(), DATA)
    for d, rows, nats, (name, cls), data in cells:
        values = estimates(cls, d, rows, nats, data, sizes)
        mean = statistics.fmean(values)
        row = {
            "estimator": name,
            "in_nats": cls.in_nats,
            "data": data,
            "embedding_dim": d,
            "rows": rows,
            "nats": nats,
            "mean": mean,
            "bias": mean - nats if cls.in_nats else None,
            "sd": statistics.stdev(values) if len(values) > 1 else 0.0,
            "values": values,
        }
        found.append(row)
        print(f"d {d}, {rows} rows, {nats:g} nats, {data}: {name} {mean:.3f}", flush=True)
    return found


def cost(classes: dict[str, type[MIEstimator]], sizes: Sizes) -> list[Row]:
    """CPU milliseconds of both scalars with their gradients, one thread, median over rounds."""
    found = []
    d = max(sizes.dims)

    def step(estimator: MIEstimator, z1: Tensor, z2: Tensor, generator: Generator) -> None:
        total = estimator(z1, z2, generator) + estimator.learning_loss(z1, z2, generator)
        torch.autograd.backward(total)

    for rows in sizes.cost_rows:
        generator = Generator().manual_seed(sizes.seed)
        z1, z2 = (z.requires_grad_() for z in gaussian_pair(rows, d, 0.5, generator))
        steps = [partial(step, cls(d), z1, z2, generator) for cls in classes.values()]
        values = [1000 * seconds for seconds in Timer("cpu", ROUNDS)(*steps)]
        for name, value in zip(classes, values, strict=True):
            cell = {"estimator": name, "embedding_dim": d, "rows": rows}
            found.append({**cell, "milliseconds": value, "ratio": value / values[0]})
    return found


def error_table(found: list[Row]) -> str:
    """Bias and standard deviation of each estimator; mean and the same where not in nats."""

    def text(row: Row) -> str:
        value = f"{row['bias']:+.2f}" if row["in_nats"] else f"{row['mean']:.3f}"
        return f"{value} ± {row['sd']:{'.2f' if row['in_nats'] else '.3f'}}"

    rows = [
        {**row, "estimator": row["estimator"] + " (its value)" * (not row["in_nats"])}
        for row in sorted(found, key=lambda row: DATA.index(row["data"]))
    ]
    return _table(rows, ("data", "embedding_dim", "rows", "nats"), text)


def separation_table(found: list[Row]) -> str:
    """On fresh rows: how many standard deviations apart the smallest and the largest nats are.

    The one number that does not depend on an estimator's scale.
    """
    nats = [row["nats"] for row in found]
    low, high = (
        [row for row in found if row["data"] == "fresh" and row["nats"] == least]
        for least in (min(nats), max(nats))
    )
    rows = []
    for below, above in zip(low, high, strict=True):
        spread = math.hypot(above["sd"], below["sd"]) / math.sqrt(2)
        apart = f"{(above['mean'] - below['mean']) / spread:.1f}" if spread else ""
        rows.append({**below, "apart": apart})
    return _table(rows, ("embedding_dim", "rows"), lambda row: str(row["apart"]))


def cost_table(found: list[Row]) -> str:
    """CPU milliseconds and, in brackets, how many times those of the first estimator."""
    return _table(
        found, ("embedding_dim", "rows"), lambda r: f"{r['milliseconds']:.1f} ({r['ratio']:.1f})"
    )


def _table(rows: list[Row], keys: tuple[str, ...], text: Callable[[Row], str]) -> str:
    """A line for each value of the keys, with a column for each estimator."""
    lines: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        key = tuple(f"{row[k]:g}" if k == "nats" else str(row[k]) for k in keys)
        lines.setdefault(key, []).append(text(row))
    names = dict.fromkeys(row["estimator"] for row in rows)
    headings = ["d" if key == "embedding_dim" else key for key in keys]
    cells = [[*key, *values] for key, values in lines.items()]
    return tabulate(cells, [*headings, *names], tablefmt="github", disable_numparse=True)


def read_sizes(arguments: argparse.Namespace) -> Sizes:
    """The flags as sizes.

    Raises:
        ConfigError: A list holds something that is no number, or a size is out of range.
    """
    given: dict[str, Any] = {}
    for field in fields(Sizes):
        value = getattr(arguments, field.name)
        if field.name == "estimators":
            value = tuple(name_list(value))
        elif isinstance(field.default, tuple):
            value = tuple(number_list(value, _flag(field.name), type(field.default[0])))
        given[field.name] = value
    return Sizes(**given)


def build_parser() -> argparse.ArgumentParser:
    """A flag for every field of :class:`Sizes`, comma lists where there are several, and --out."""
    parser = Parser(description=__doc__.partition("\n")[0])
    for field in fields(Sizes):
        default: Any = field.default
        several = isinstance(default, tuple)
        shown = ",".join(map(str, default)) if several else default
        kind = str if several else type(default)
        parser.add_argument(
            _flag(field.name),
            type=kind,
            default=shown,
            help=f"{'comma list; ' * several}default {shown}",
        )
    parser.add_argument("--out", type=Path, default=Path("runs/estimators"), help="folder")
    return parser


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def main(argv: list[str]) -> None:
    """Measure, print three tables and write them, their numbers and the figure."""
    arguments = build_parser().parse_args(argv)
    sizes = read_sizes(arguments)
    torch.set_num_threads(1)
    classes = {
        name.rpartition(":")[2]: resolver.resolve_class(name, estimators, MIEstimator, "estimator")
        for name in sizes.estimators
    }
    costs = cost(classes, sizes)
    found = measure(classes, sizes)
    tables = (error_table(found), separation_table(found), cost_table(costs))
    text = "\n\n".join(f"{title}\n\n{table}" for title, table in zip(TITLES, tables, strict=True))
    print("\n" + text)
    content = {
        "sizes": asdict(sizes),
        "machine": environment(torch.device("cpu")),
        "rows": found,
        "cost": costs,
    }
    write_json(arguments.out / "estimators.json", content)
    write_text(arguments.out / "estimators.md", text + "\n")
    estimator_errors(found).savefig(arguments.out / "estimators.png")


if __name__ == "__main__":
    sys.exit(exit_status(main))
