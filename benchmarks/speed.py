"""Speed and memory: ratios of two sides in one process, and what each backbone costs.

    python benchmarks/speed.py --shape baby --backbone all --out benchmarks/results/speed.json

Both sides of a ratio alternate, each is warmed up, and the median of ``--repeats`` is taken, or of
as many as ``--seconds`` leave time for.  On a machine that others use, ``--clock cpu`` counts the
CPU time of the process.  The peak memory of a backbone is that of a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import torch
from tabulate import tabulate
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.nn import LightGCN as PyGLightGCN

from mrdib_graph import graph
from mrdib_graph.atomic_file import write_json
from mrdib_graph.cli.exit_status import exit_status
from mrdib_graph.cli.parser import Parser
from mrdib_graph.evaluation import Evaluator
from mrdib_graph.experiment.environment import environment
from mrdib_graph.testing.kernel_time import KernelTime
from mrdib_graph.testing.measure import CLOCKS, Timer, peak_resident, run_apart
from mrdib_graph.testing.random_graph import SHAPES, random_graph
from mrdib_graph.testing.timed_training import TimedTraining, backbones_of
from mrdib_graph.tracking import MLflowTracker


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

    @property
    def limit(self) -> str:
        """The target as it is shown."""
        return "" if self.target is None else f"{'<=' if self.at_most else '>='} {self.target:g}"


def backbone_cost(name: str, data: HeteroData, timer: Timer) -> dict[str, Any]:
    """Parameters, derived graphs and times of a backbone."""
    started = time.perf_counter()
    training = TimedTraining(name, data)
    prepared = time.perf_counter() - started
    parameters = sum(p.numel() for p in training.recommender.parameters() if p.requires_grad)
    kernels = KernelTime(timer.clock)
    first, later, _ = timer(training.first_steps, training.step, kernels.watch(training.step))
    inside = median(kernels.seconds[1:])
    return {
        "backbone": name,
        "parameters": parameters,
        "graphs": ", ".join(map(repr, training.recommender.backbone.graphs)),
        "prepare_s": round(prepared, 2),
        "step_ms": round(1000 * later, 1),
        "kernels_ms": round(1000 * inside, 1),
        "over_kernels": round(later / inside, 2),
        "epoch_s": round(first + (len(training.loader) - 2) * later, 2),
    }


def peak_memory(shape: str, name: str) -> float:
    """Peak resident memory in MB of this process when it trains a few steps and scores."""
    training = TimedTraining(name, random_graph(SHAPES[shape]))
    training.first_steps()
    training.recommender.tables(training.data)
    return peak_resident()


def target_rows(data: HeteroData, timer: Timer) -> Iterator[Row]:
    """Every ratio that has a target."""
    lightgcn, lattice, vbpr = (TimedTraining(n, data) for n in ("lightgcn", "lattice", "vbpr"))
    ours, theirs = timer(_several(lightgcn.step, 5), pyg_step(data, lightgcn))
    yield Row("PyG's LightGCN step over ours", theirs / (ours / 5), "ratio", 8, at_most=False)
    epoch, step = timer(lambda: list(lightgcn.loader), lightgcn.step)
    share = epoch / len(lightgcn.loader) / step
    yield Row("sampling a batch over a lightgcn step", share, "share", 0.03)
    light_epoch = lightgcn.epoch_seconds(timer)
    ratio = lattice.epoch_seconds(timer) / light_epoch
    yield Row("lattice epoch over lightgcn epoch", ratio, "ratio", 2.5)
    step, products = timer(vbpr.step, vbpr_products(vbpr))
    yield Row("vbpr step over its products", step / products, "ratio", 1.5)
    for name in ("lightgcn", "lattice", "vbpr"):
        bpr, softmax = (TimedTraining(name, data, loss=loss) for loss in ("bpr", "softmax"))
        for each in (bpr, softmax):
            each.begin_epoch()
        one, other = timer(_several(bpr.sampled_step, 2), _several(softmax.sampled_step, 2))
        what = f"softmax over 1,024 shared items over a {name} step with BPR"
        yield Row(what, other / one, "ratio", 1.6)
    finer = copy(timer)  # a difference of some percent drowns in fewer
    finer.repeats, finer.seconds = 4 * timer.repeats, 3 * timer.seconds
    for name, late, target in (
        ("vbpr", False, 0.25),
        ("lattice", False, 0.15),
        ("lightgcn", True, 0.15),
    ):
        bare, with_mrdib = (TimedTraining(name, data, late, mrdib) for mrdib in (False, True))
        for each in (bare, with_mrdib):
            each.begin_epoch()
        bare_step, step = finer(_several(bare.step, 2), _several(with_mrdib.step, 2))
        what = f"MRdIB's overhead on a {name}{'-late' * late} step"
        yield Row(what, step / bare_step - 1, "share", target)
    user, item = lightgcn.recommender.tables(lightgcn.data)
    evaluator = Evaluator(data)
    full, plain = timer(lambda: evaluator(user, item, "test"), lambda: matmul_top_k(user, item))
    yield Row("evaluation over matmul and topk", full / plain, "ratio", 1.3)
    track = tracking_seconds(timer) / light_epoch
    yield Row("tracking an epoch to MLflow over a lightgcn epoch", track, "share", 0.01)
    yield Row("import mrdib_graph beyond torch and PyG", import_seconds(), "s", 0.3)
    yield Row("import of every public name", import_seconds(every=True), "s")
    yield Row("mrdib-graph run --help", help_seconds(), "s", 1.5)


def _several(function: Callable[[], None], times: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(times):
            function()

    return run


def pyg_step(data: HeteroData, training: TimedTraining) -> Callable[[], None]:
    """A step of PyG's own LightGCN on a plain edge_index, on the same batch."""
    users, nodes = graph.num_users(data), graph.num_users(data) + graph.num_items(data)
    user, item = graph.interactions(data, "train")
    edge_index = torch.stack([torch.cat([user, item + users]), torch.cat([item + users, user])])
    model = PyGLightGCN(nodes, 64, 2)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    batch = training.batches[0]

    def step() -> None:
        rows = model.get_embedding(edge_index)
        mine = rows[batch.user]
        positive = (mine * rows[batch.pos_item + users]).sum(-1)
        negative = (mine * rows[batch.neg_item[:, 0] + users]).sum(-1)
        ids = torch.cat([batch.user, batch.pos_item + users])
        loss = model.recommendation_loss(positive, negative, node_id=ids)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def vbpr_products(training: TimedTraining) -> Callable[[], None]:
    """The matrix products of a VBPR step: rows by weights, forward, and the weights' gradient."""
    backbone = training.recommender.backbone
    batch = training.batches[0]
    items = torch.unique(torch.cat([batch.pos_item, batch.neg_item.flatten()]))
    pairs = [
        (graph.item_features(training.data, m)[0][items], torch.randn(w, 64))
        for m, w in backbone.in_channels.items()
    ]
    gradient = torch.randn(items.numel(), 64)

    def run() -> None:
        for rows, weight in pairs:
            torch.mm(rows, weight)
            torch.mm(rows.T, gradient)

    return run


def matmul_top_k(user: Tensor, item: Tensor, k: int = 50, block: int = 2048) -> None:
    """The least that an evaluation has to do."""
    for start in range(0, user.size(0), block):
        (user[start : start + block] @ item.T).topk(k)


def tracking_seconds(timer: Timer, metrics: int = 30) -> float:
    """Logging the metrics of an epoch to a new database."""
    values = {f"val/metric@{k}": 1 / k for k in range(1, metrics + 1)}
    with tempfile.TemporaryDirectory() as folder:
        tracker = MLflowTracker(f"sqlite:///{folder}/mlflow.db", "speed")
        tracker.start_run("speed")
        steps = count()
        (seconds,) = timer(lambda: tracker.log_metrics(values, step=next(steps)))
        tracker.close()
    return seconds


def import_seconds(every: bool = False, repeats: int = 3) -> float:
    """What ``import mrdib_graph`` adds to torch and torch_geometric; or every name of it."""
    use = "[getattr(mrdib_graph, name) for name in mrdib_graph.__all__]; " if every else ""
    code = (
        "import time, torch, torch_geometric; t = time.perf_counter(); import mrdib_graph; "
        f"{use}print(time.perf_counter() - t)"
    )
    return min(float(_python("-c", code)) for _ in range(repeats))


def help_seconds(repeats: int = 3) -> float:
    """The whole command ``mrdib-graph run --help``."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        _python("-m", "mrdib_graph", "run", "--help")
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _python(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main(argv: list[str]) -> None:
    """Measure, print two tables and write them where ``--out`` says."""
    parser = Parser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shape", choices=list(SHAPES), default="baby", help="size of the graph")
    parser.add_argument("--backbone", default="all", help="comma list, or all")
    parser.add_argument("--repeats", type=int, default=9, help="timings of each side")
    parser.add_argument("--seconds", type=float, default=4.0, help="at most, for those of a row")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="what is counted")
    parser.add_argument("--threads", type=int, help="of torch; torch's own choice by default")
    parser.add_argument("--no-memory", action="store_true", help="skip the peak memory")
    parser.add_argument("--no-targets", action="store_true", help="backbones' costs alone")
    parser.add_argument("--out", type=Path, help="JSON file")
    arguments = parser.parse_args(argv)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    timer = Timer(arguments.clock, arguments.repeats, arguments.seconds)
    data = random_graph(SHAPES[arguments.shape])
    rows = [] if arguments.no_targets else list(target_rows(data, timer))
    costs = []
    for name in backbones_of(arguments.backbone):
        cost = backbone_cost(name, data, timer)
        if not arguments.no_memory:
            cost["memory_mb"] = run_apart(peak_memory, arguments.shape, name)
        costs.append(cost)
        rows.append(Row(f"{name} step over its kernels", cost["over_kernels"], "ratio", 1.6))
        print(cost, flush=True)
    print("\n" + tabulate(costs, headers="keys", tablefmt="github", floatfmt=".3g"))
    table = [[r.name, r.value, r.unit, r.limit, r.meets] for r in rows]
    headings = ["what", "value", "unit", "target", "meets"]
    print("\n" + tabulate(table, headers=headings, tablefmt="github", floatfmt=".3g"), flush=True)
    if arguments.out:
        threads = torch.get_num_threads()
        content = {
            "measured": f"{arguments.shape} shape, {arguments.clock} clock, {threads} threads",
            "machine": environment(torch.device("cpu")),
            "rows": [{**asdict(row), "meets": row.meets} for row in rows],
            "backbones": costs,
        }
        write_json(arguments.out, content)


if __name__ == "__main__":
    sys.exit(exit_status(main))
