"""What ``speed.py`` measures."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from copy import copy
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
from speed_kernels import KernelTime
from torch import Generator, Tensor
from torch_geometric.data import HeteroData
from torch_geometric.nn import LightGCN as PyGLightGCN

from mrdib_graph import backbones, graph, resolver
from mrdib_graph.backbones import Backbone
from mrdib_graph.backbones.late_fusion import LateFusion
from mrdib_graph.evaluation import Evaluator
from mrdib_graph.experiment.objectives import LATE
from mrdib_graph.loader import TripletLoader
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.recommender import Recommender
from mrdib_graph.tracking import MLflowTracker

if TYPE_CHECKING:
    from speed import Row, Timer

MRDIB: dict[str, Any] = {"alpha_unique": 0.1, "alpha_redundancy": 0.0003}
"""The arm ``mrdib`` as it is by default."""


class Training:
    """A backbone in training, with MRdIB or without."""

    def __init__(self, name: str, data: HeteroData, mrdib: bool = False, **options: Any) -> None:
        torch.manual_seed(0)
        plain = name.removesuffix(LATE)
        cls = resolver.resolve_class(plain, backbones, Backbone, "backbone")
        backbone: Backbone = cls.from_data(data, **options)
        if plain != name:
            backbone = LateFusion.from_data(data, inner=backbone)
        self.data = backbone.prepare(data)
        part = MRdIB(backbone.modalities, backbone.embedding_dim, **MRDIB) if mrdib else None
        self.recommender = Recommender(backbone, part, reg_fused=0.01).train()
        parameters = list(self.recommender.parameters())
        self.optimizer = torch.optim.Adam(parameters, fused=True)
        self.loader = TripletLoader(self.data, generator=Generator().manual_seed(0))
        self.batches = list(self.loader)
        self.noise = Generator().manual_seed(0)
        self.at = 0

    def begin_epoch(self) -> None:
        """Have the next step be an epoch's first."""
        self.recommender.prepare_epoch(self.data, 0, self.noise)
        self.at = 0

    def step(self) -> None:
        """One step on the next batch."""
        batch = self.batches[self.at % max(1, len(self.batches) - 1)]
        self.at += 1
        total = self.recommender.total(self.recommender.loss(self.data, batch, self.noise))
        self.optimizer.zero_grad()
        torch.autograd.backward(total)
        self.optimizer.step()

    def first_steps(self) -> None:
        """The first two steps of an epoch: what is rebuilt is rebuilt."""
        self.begin_epoch()
        self.step()
        self.step()

    def epoch_seconds(self, timer: Timer) -> float:
        """Seconds of an epoch, from its first two steps and a later one."""
        first, later = timer(self.first_steps, self.step)
        return first + (len(self.loader) - 2) * later


def backbone_cost(name: str, data: HeteroData, timer: Timer) -> dict[str, Any]:
    """Parameters, derived graphs and times of a backbone."""
    started = time.perf_counter()
    training = Training(name, data)
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


def kernel_row(cost: dict[str, Any]) -> Row:
    """A backbone's step against the kernels that it cannot avoid."""
    from speed import Row

    return Row(f"{cost['backbone']} step over its kernels", cost["over_kernels"], "ratio", 1.6)


def target_rows(data: HeteroData, timer: Timer) -> list[Row]:
    """Every ratio that has a target."""
    from speed import Row

    lightgcn = Training("lightgcn", data)
    ours, theirs = timer(_several(lightgcn.step, 5), pyg_step(data, lightgcn))
    rows = [
        Row("PyG's LightGCN step over ours", theirs / (ours / 5), "ratio", 8, at_most=False),
        Row("sampling a batch over a lightgcn step", _sampling(lightgcn, timer), "share", 0.03),
    ]
    lattice, vbpr = Training("lattice", data), Training("vbpr", data)
    light_epoch = lightgcn.epoch_seconds(timer)
    rows.append(
        Row(
            "lattice epoch over lightgcn epoch",
            lattice.epoch_seconds(timer) / light_epoch,
            "ratio",
            2.5,
        )
    )
    step, products = timer(vbpr.step, vbpr_products(vbpr))
    rows.append(Row("vbpr step over its products", step / products, "ratio", 1.5))
    late = Training("lightgcn-late", data)
    finer = copy(timer)  # a difference of some percent drowns in fewer
    finer.repeats, finer.seconds = 4 * timer.repeats, 3 * timer.seconds
    for bare, name, target in (
        (vbpr, "vbpr", 0.25),
        (lattice, "lattice", 0.15),
        (late, "lightgcn-late", 0.15),
    ):
        with_mrdib = Training(name, data, mrdib=True)
        with_mrdib.begin_epoch()
        bare_step, step = finer(_several(bare.step, 2), _several(with_mrdib.step, 2))
        rows.append(
            Row(f"MRdIB's overhead on a {name} step", step / bare_step - 1, "share", target)
        )
    user, item = lightgcn.recommender.tables(lightgcn.data)
    evaluator = Evaluator(data)
    full, plain = timer(lambda: evaluator(user, item, "test"), lambda: matmul_top_k(user, item))
    rows.append(Row("evaluation over matmul and topk", full / plain, "ratio", 1.3))
    track = tracking_seconds(timer) / light_epoch
    rows.append(Row("tracking an epoch to MLflow over a lightgcn epoch", track, "share", 0.01))
    rows.append(Row("import mrdib_graph beyond torch and PyG", import_seconds(), "s", 0.3))
    rows.append(Row("import of every public name", import_seconds(every=True), "s"))
    rows.append(Row("mrdib-graph run --help", help_seconds(), "s", 1.5))
    return rows


def _several(function: Callable[[], None], times: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(times):
            function()

    return run


def pyg_step(data: HeteroData, training: Training) -> Callable[[], None]:
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


def vbpr_products(training: Training) -> Callable[[], None]:
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


def _sampling(training: Training, timer: Timer) -> float:
    """Time of drawing and slicing a batch over that of a step."""
    epoch, step = timer(lambda: list(training.loader), training.step)
    return epoch / len(training.loader) / step


def matmul_top_k(user: Tensor, item: Tensor, k: int = 50, block: int = 2048) -> None:
    """The least that an evaluation has to do."""
    for start in range(0, user.size(0), block):
        (user[start : start + block] @ item.T).topk(k)


def _run(code: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *code], check=True, capture_output=True)
    return time.perf_counter() - started


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
    outputs = [
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        for _ in range(repeats)
    ]
    return min(float(done.stdout) for done in outputs)


def help_seconds(repeats: int = 3) -> float:
    """The whole command ``mrdib-graph run --help``."""
    command = ["-m", "mrdib_graph", "run", "--help"]
    return min(_run(command) for _ in range(repeats))
