"""A catalogue of a million items: build the graphs and train an epoch, with time and peak memory.

    python benchmarks/large.py --backbone lightgcn,vbpr,lattice --out benchmarks/results/large.json

The graph is seeded and random, with long-tailed degrees (``shapes.py``): 500,000 users, 1,000,000
items, 5,000,000 training interactions, and features 128 and 64 wide that are noisy copies of
prototypes.  Item graphs are searched by FAISS (extra ``ann``), and their recall is reported.  Each
backbone runs in a process of its own that cannot take more than ``--limit-gb`` of memory.  Whole
graphs want large batches: a step passes messages along every edge, whatever its batch.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate
from torch import Generator
from torch_geometric.data import HeteroData

sys.path.insert(0, str(Path(__file__).parent))

from shapes import Shape, make_graph
from speed import peak_resident

from mrdib_graph import backbones, graph, resolver
from mrdib_graph.backbones import Backbone
from mrdib_graph.experiment.environment import environment
from mrdib_graph.loader import TripletLoader
from mrdib_graph.nn import neighbor_search
from mrdib_graph.recommender import Recommender

WIDTHS = {"image": 128, "text": 64}
OPTIONS: dict[str, dict[str, Any]] = {
    "lattice": {"mix": 1.0},
    "lattice-learned": {"mix": 0.9},
}
"""Options by name; with ``mix`` 1 LATTICE's item graph is that of the raw features, frozen."""

Result = dict[str, Any]


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


def run(name: str, shape: Shape, batch_size: int, max_steps: int) -> Result:
    """One backbone, in this process."""
    stages = Stages()
    data = make_graph(shape, WIDTHS)
    stages.done("generate")
    torch.manual_seed(0)
    cls = resolver.resolve_class(name.partition("-")[0], backbones, Backbone, "backbone")
    backbone: Backbone = cls.from_data(data, **OPTIONS.get(name, {}))
    data = backbone.prepare(data)
    stages.done("build the graphs")
    recommender = Recommender(backbone).train()
    optimizer = torch.optim.Adam(recommender.parameters(), fused=True)
    loader = TripletLoader(data, batch_size, generator=Generator().manual_seed(0))
    recommender.prepare_epoch(data, 0, Generator().manual_seed(0))
    losses = []
    for batch in loader:
        terms = recommender.loss(data, batch)
        total = recommender.total(terms)
        optimizer.zero_grad()
        torch.autograd.backward(total)
        optimizer.step()
        losses.append(float(total.detach()))
        if len(losses) in (1, max_steps):
            stages.done("first step" if len(losses) == 1 else f"steps 2 to {max_steps}")
        if len(losses) == max_steps:
            break
    else:
        stages.done("rest of the epoch")
    user, item = recommender.tables(data)
    stages.done("tables")
    assert bool(user.isfinite().all() and item.isfinite().all())
    return {
        "backbone": name,
        **shape._asdict(),
        "batch_size": batch_size,
        "steps": len(losses),
        "steps_of_an_epoch": len(loader),
        "losses": [losses[0], losses[-1]],
        "recall": recalls(data),
        "stages": stages.rows,
        "peak_gb": stages.rows[-1]["peak_gb"],
    }


def recalls(data: HeteroData) -> dict[str, float]:
    """Recall of the search of each item graph that was built."""
    relations = {m: data[graph.similar(m)] for m in graph.modalities(data)}
    return {m: r.search_recall for m, r in relations.items() if "search_recall" in r}


def search_cost(items: int, width: int, k: int = 10) -> Result:
    """Seconds and recall of one item kNN search at this size."""
    data = make_graph(Shape(10, items, 20), {"image": width})
    started = time.process_time()
    found = neighbor_search(data["image"].x, k)
    seconds = round(time.process_time() - started, 1)
    return {"items": items, "width": width, "cpu_s": seconds, "recall": found.recall}


def _apart(limit_gb: float, *work: Any) -> Result:
    """``run`` or ``search_cost`` in a process of its own under a limit of memory."""
    command = [sys.executable, __file__, "--limit-gb", str(limit_gb), "--one", json.dumps(work)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: Result = json.loads(done.stdout.splitlines()[-1])
    return result


def _limit(gigabytes: float) -> None:
    import resource

    size = int(gigabytes * 1e9)
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def main(argv: list[str]) -> None:
    """Measure, print a table and write JSON after each backbone."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backbone", default="lightgcn,vbpr,lattice", help="comma list")
    parser.add_argument("--users", type=int, default=500_000)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=5_000_000, help="training interactions")
    parser.add_argument("--batch-size", type=int, default=131_072)
    parser.add_argument("--max-steps", type=int, default=0, help="stop an epoch here; 0: never")
    parser.add_argument("--searches", default="", help="items:width of searches alone, comma list")
    parser.add_argument("--limit-gb", type=float, default=16.0)
    parser.add_argument("--threads", type=int, help="of torch; torch's own choice by default")
    parser.add_argument("--out", type=Path, help="JSON file; rows that it has are kept")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.one:
        _limit(arguments.limit_gb)
        what, threads, *rest = json.loads(arguments.one)
        if threads:
            torch.set_num_threads(threads)
        made = search_cost(*rest) if what == "search" else run(rest[0], Shape(*rest[1]), *rest[2:])
        print(json.dumps(made))
        return
    shape = Shape(arguments.users, arguments.items, arguments.pairs)
    content: dict[str, Any] = {"rows": [], "searches": []}
    if arguments.out and arguments.out.is_file():
        content = json.loads(arguments.out.read_text(encoding="utf-8"))
    limit, threads = arguments.limit_gb, arguments.threads
    for name in filter(None, arguments.backbone.split(",")):
        sizes = (name, shape, arguments.batch_size, arguments.max_steps)
        content["rows"].append(_apart(limit, "run", threads, *sizes))
        _write(arguments.out, content)
    for search in filter(None, arguments.searches.split(",")):
        items, width = map(int, search.split(":"))
        content["searches"].append(_apart(limit, "search", threads, items, width))
        _write(arguments.out, content)
    for row in content["rows"]:
        heading = f"\n{row['backbone']}, {row['steps']} of {row['steps_of_an_epoch']} steps"
        print(heading + "\n" + tabulate(row["stages"], "keys", tablefmt="github"))
    print("\n" + tabulate(content["searches"], "keys", tablefmt="github"))


def _write(path: Path | None, content: dict[str, Any]) -> None:
    if path:
        content = {"machine": environment(torch.device("cpu")), **content}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
