"""Large graphs: build the item graphs, train an epoch and evaluate, with time and peak memory.

    python benchmarks/large.py --backbone lightgcn,vbpr,lattice --out benchmarks/results/large.json
    python benchmarks/large.py --shape electronics --backbone lattice --batch-size 2048

The graph is seeded and random, with long-tailed degrees (``mrdib_graph.testing.random_graph``).  By
default it has 500,000 users, 1,000,000 items, 5,000,000 training interactions, and features 128 and
64 wide; ``--shape`` takes the counts and the widths of a public data set instead.  Each backbone
runs in a process of its own that cannot take more than ``--limit-gb`` of memory.  Item graphs of
more than 100,000 items are searched by FAISS where it is installed (extra ``ann``), and their
recall is reported; ``--search`` decides otherwise.  Whole graphs want large batches: a step passes
messages along every edge, whatever its batch.  Name an empty folder in ``MRDIB_GRAPH_CACHE``, or
graphs that were built before are read instead of built.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tabulate import tabulate
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.atomic_file import write_json
from mrdib_graph.backbones import LATTICE
from mrdib_graph.cli.exit_status import exit_status
from mrdib_graph.cli.parser import Parser, name_list
from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import Evaluator
from mrdib_graph.experiment.environment import environment
from mrdib_graph.nn import neighbor_search
from mrdib_graph.nn.neighbor_search import Search, check_search
from mrdib_graph.testing import random_graph as shapes
from mrdib_graph.testing.measure import peak_resident, run_apart
from mrdib_graph.testing.random_graph import Shape, random_graph
from mrdib_graph.testing.timed_training import TimedTraining

WIDTHS = {"image": 128, "text": 64}
OPTIONS: dict[str, dict[str, Any]] = {"lattice-frozen": {"mix": 1.0}}
"""Options by name; with ``mix`` 1 LATTICE's item graph is that of the raw features alone."""

Result = dict[str, Any]


class Plan(NamedTuple):
    """What one run does."""

    name: str
    shape: Shape
    widths: dict[str, int]
    batch_size: int
    max_steps: int = 0
    search: Search = "auto"
    evaluate: int = 10_000
    learned: tuple[Search, ...] = ()


class Stages:
    """Wall and CPU seconds of what was done in turn, and the peak memory so far, in GB."""

    def __init__(self) -> None:
        self.rows: list[Result] = []
        self._start()

    def _start(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def done(self, name: str) -> None:
        """Close a stage."""
        row = {
            "stage": name,
            "wall_s": round(time.perf_counter() - self._wall, 1),
            "cpu_s": round(time.process_time() - self._cpu, 1),
            "peak_gb": round(peak_resident() * 2**20 / 1e9, 2),
        }
        self.rows.append(row)
        print(row, file=sys.stderr, flush=True)
        self._start()

    def cpu(self, start: str) -> float:
        """CPU seconds of the stages whose name starts so."""
        return float(sum(row["cpu_s"] for row in self.rows if row["stage"].startswith(start)))


def run(plan: Plan) -> Result:
    """One backbone, in this process."""
    stages = Stages()
    data = random_graph(plan.shape, plan.widths)
    stages.done("generate")
    name = plan.name.partition("-")[0]
    options = {
        **OPTIONS.get(plan.name, {}),
        **({"search": plan.search} if name == "lattice" else {}),
    }
    training = TimedTraining(name, data, batch_size=plan.batch_size, reg_fused=0.0, **options)
    stages.done("build the graphs")
    losses = train(training, plan.max_steps, stages)
    user, item = training.recommender.tables(training.data)
    stages.done("tables")
    evaluator = Evaluator(data)
    some = evaluator.users("test")[: plan.evaluate]
    recall = evaluator(user, item, "test", some).mean["recall@20"]
    stages.done(f"evaluate {some.numel()} users")
    steps, later = len(training.loader), max(1, len(losses) - 1)
    epoch = stages.cpu("first step") + (steps - 1) * stages.cpu("steps") / later
    result = {
        "backbone": plan.name,
        "options": options,
        **plan.shape._asdict(),
        "widths": plan.widths,
        "batch_size": plan.batch_size,
        "steps": len(losses),
        "steps_of_an_epoch": steps,
        "epoch_cpu_s": round(epoch, 1),
        "losses": [losses[0], losses[-1]],
        "recall@20": recall,
        "recall": recalls(training.data),
        "stages": stages.rows,
        "peak_gb": stages.rows[-1]["peak_gb"],
    }
    if plan.learned:
        del user, item, evaluator
        result["learned"] = learned_searches(training, plan.learned)
        result["peak_gb"] = round(peak_resident() * 2**20 / 1e9, 2)
    return result


def train(training: TimedTraining, max_steps: int, stages: Stages) -> list[float]:
    """The losses of an epoch, or of its first steps."""
    training.begin_epoch()
    losses: list[float] = []
    for batch in training.loader:
        losses.append(float(training.learn(batch)["loss"]))
        if len(losses) == 1:
            stages.done("first step")
        if len(losses) == max_steps:
            break
    stages.done(f"steps 2 to {len(losses)}")
    return losses


def recalls(data: HeteroData) -> dict[str, float]:
    """Recall of the search of each item graph that was built."""
    relations = {m: data[graph.similar(m)] for m in graph.modalities(data)}
    return {m: r.search_recall for m, r in relations.items() if "search_recall" in r}


@torch.no_grad()
def learned_searches(training: TimedTraining, kinds: tuple[Search, ...]) -> list[Result]:
    """The search that LATTICE makes once an epoch, on the features as projected now."""
    found: list[Result] = []
    backbone = training.recommender.backbone
    if not isinstance(backbone, LATTICE):
        return found
    for modality in backbone.modalities:
        x, mask = graph.item_features(training.data, modality)
        projected = backbone.project[modality](x)
        for kind in kinds:
            found.append({"modality": modality, **timed_search(projected, backbone.k, kind, mask)})
            print(found[-1], file=sys.stderr, flush=True)
    return found


def timed_search(x: Tensor, k: int, search: Search, mask: Tensor | None = None) -> Result:
    """CPU seconds and recall of one item kNN search."""
    started = time.process_time()
    found = neighbor_search(x, k, mask, search)
    seconds = round(time.process_time() - started, 1)
    sizes = {"items": x.size(0), "width": x.size(1), "search": search}
    return {**sizes, "cpu_s": seconds, "recall": found.recall}


def search_cost(items: int, width: int, search: Search, k: int = 10) -> Result:
    """:func:`timed_search` of generated features."""
    return timed_search(random_graph(Shape(10, items, 20), {"image": width})["image"].x, k, search)


def parser() -> argparse.ArgumentParser:
    """The command's flags."""
    made = Parser(description=__doc__.partition("\n")[0])
    kinds = ("auto", "exact", "faiss")
    made.add_argument("--backbone", default="lightgcn,vbpr,lattice-frozen", help="comma list")
    made.add_argument("--shape", choices=shapes.SHAPES, help="counts and widths of a public set")
    made.add_argument("--users", type=int, default=500_000)
    made.add_argument("--items", type=int, default=1_000_000)
    made.add_argument("--pairs", type=int, default=5_000_000, help="training interactions")
    made.add_argument("--batch-size", type=int, default=131_072)
    made.add_argument("--max-steps", type=int, default=0, help="stop an epoch here; 0: never")
    made.add_argument("--search", choices=kinds, default="auto", help="of lattice's item graphs")
    made.add_argument("--evaluate", type=int, default=10_000, help="test users at most")
    made.add_argument(
        "--learned", default="", help="exact,faiss: time the search of lattice's learned graph so"
    )
    made.add_argument(
        "--searches", default="", help="items:width:exact|faiss of searches alone, comma list"
    )
    made.add_argument("--limit-gb", type=float, default=16.0)
    made.add_argument("--threads", type=int, help="of torch; torch's own choice by default")
    made.add_argument("--out", type=Path, help="JSON file; rows that it has are kept")
    return made


def main(argv: list[str]) -> None:
    """Measure, print a table and write JSON after each backbone."""
    arguments = parser().parse_args(argv)
    if arguments.max_steps == 1:
        raise ConfigError(
            "--max-steps: got 1, expected 0, or 2 or more: an epoch is told from its later steps"
        )
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    learned: tuple[Any, ...] = tuple(name_list(arguments.learned))
    searches = [text.split(":") for text in name_list(arguments.searches)]
    for kind in (*learned, *(search[-1] for search in searches)):
        check_search(kind)
    shape, widths = Shape(arguments.users, arguments.items, arguments.pairs), WIDTHS
    if arguments.shape:
        shape, widths = shapes.SHAPES[arguments.shape], shapes.WIDTHS
    content: dict[str, Any] = {"rows": [], "searches": []}
    if arguments.out and arguments.out.is_file():
        content = json.loads(arguments.out.read_text(encoding="utf-8"))
    sizes = (shape, widths, arguments.batch_size, arguments.max_steps)
    made = []
    for name in name_list(arguments.backbone):
        plan = Plan(name, *sizes, arguments.search, arguments.evaluate, learned)
        made.append(run_apart(run, plan, limit_gb=arguments.limit_gb))
        content["rows"].append(made[-1])
        _write(arguments.out, content)
    for items, width, kind in searches:
        work = (search_cost, int(items), int(width), kind)
        content["searches"].append(run_apart(*work, limit_gb=arguments.limit_gb))
        _write(arguments.out, content)
    for row in made:
        heading = f"\n{row['backbone']}, {row['steps']} of {row['steps_of_an_epoch']} steps, "
        print(f"{heading}{row['epoch_cpu_s']} CPU seconds an epoch")
        print(tabulate(row["stages"], "keys", tablefmt="github"))
        print(tabulate(row.get("learned", []), "keys", tablefmt="github"))
    print("\n" + tabulate(content["searches"], "keys", tablefmt="github"))


def _write(path: Path | None, content: dict[str, Any]) -> None:
    if path:
        write_json(path, {**content, "machine": environment(torch.device("cpu"))})


if __name__ == "__main__":
    sys.exit(exit_status(main))
