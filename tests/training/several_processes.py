"""Trains small recommenders, as one process or as one of several; the tests compare what it saves.

torchrun --nproc-per-node 2 tests/training/several_processes.py FOLDER
"""

import signal
import sys
from pathlib import Path

import torch
from torch.nn import Parameter
from torch_geometric import typing

from mrdib_graph import distributed
from mrdib_graph.backbones import BM3, FREEDOM, LATTICE, MGCN, VBPR, DualGNN, LightGCN
from mrdib_graph.controls import Noise
from mrdib_graph.errors import ConfigError, TrainingError
from mrdib_graph.loader import TripletLoader
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing.tiny_data import tiny_data
from mrdib_graph.tracking import Tracker
from mrdib_graph.training import Interrupted, Trainer

SAMPLER = typing.WITH_PYG_LIB or typing.WITH_TORCH_SPARSE
FULL, ALL_NEIGHBORS, SOME = {}, {"num_neighbors": [-1]}, {"num_neighbors": [2]}
GAUSSIAN = {"estimator": "gaussian", "alpha_redundancy": 0.1}
MINE = {"estimator": "mine", "alpha_kl": 0.01, "alpha_redundancy": 0.01}

CASES = {
    "lightgcn": (LightGCN, {"reg": 0.1}, None, FULL),
    "vbpr": (VBPR, {"reg": 0.1}, None, FULL),
    "lattice": (LATTICE, {}, None, FULL),
    "dualgnn": (DualGNN, {}, None, FULL),
    "bm3": (BM3, {}, None, FULL),
    "mgcn": (MGCN, {}, None, FULL),
    "vbpr mrdib": (VBPR, {}, GAUSSIAN, FULL),
    "vbpr mine": (VBPR, {"user_side": "vector"}, MINE, FULL),
    "dualgnn mrdib": (DualGNN, {}, MINE, FULL),
    "vbpr noise": (VBPR, {}, "noise", FULL),
    "vbpr mine, clip and ema": (VBPR, {}, MINE, FULL),
    "dualgnn, sgd and swa": (DualGNN, {}, None, FULL),
    "vbpr mrdib, autocast": (VBPR, {}, GAUSSIAN, FULL),
    "lightgcn, all neighbours": (LightGCN, {"reg": 0.1}, None, ALL_NEIGHBORS),
    "freedom mrdib, all neighbours": (FREEDOM, {"prune": 0.2}, MINE, ALL_NEIGHBORS),
    "lightgcn, some neighbours": (LightGCN, {"reg": 0.1}, None, SOME),
}

TRAINER = {
    "vbpr mine, clip and ema": {"clip_norm": 0.05, "average": "ema", "ema_decay": 0.7},
    "dualgnn, sgd and swa": {"optimizer": "sgd", "schedule": "cosine", "average": "swa"},
    "vbpr mrdib, autocast": {"autocast": "bfloat16"},
}
"""More settings of the trainer."""


class Recording(Tracker):
    def __init__(self):
        self.told = []

    def log_metrics(self, metrics, step=None):
        del metrics
        self.told.append(step)


class PressedOnce(TripletLoader):
    """Ctrl-C in one process, before the batch of a number."""

    def __init__(self, data, rank, number):
        super().__init__(data, 64)
        self.rank, self.number = rank, number

    def epoch(self, skip=0):
        for number, batch in enumerate(super().epoch(skip), start=skip):
            if number == self.number and distributed.rank() == self.rank:
                self.number = None
                signal.raise_signal(signal.SIGINT)
            yield batch


def build(name):
    cls, options, arm, sampling = CASES[name]
    data = tiny_data(120, 90)
    torch.manual_seed(distributed.rank())  # the first process's weights must win
    backbone = cls.from_data(data, embedding_dim=8, **options)
    mrdib = MRdIB(backbone.modalities, 8, **arm) if isinstance(arm, dict) else None
    control = Noise(backbone.modalities) if arm == "noise" else None
    recommender = Recommender(backbone, mrdib, control=control, reg_fused=0.01)
    loader = {"loader": "neighbor", **sampling} if sampling else {}
    return data, recommender, loader | TRAINER.get(name, {})


def fit(name, tracker=None, loader=None, epochs=1, **run):
    data, recommender, options = build(name)
    trainer = Trainer(
        epochs=epochs, batch_size=64, seed=3, device="cpu", tracker=tracker, quiet=True, **options
    )
    found = trainer.fit(recommender, data, loader=loader and loader(data), **run)
    return found, {n: v.clone() for n, v in recommender.state_dict().items()}


def train(folder: Path) -> dict[str, object]:
    """Every case: its weights, loss, metrics and ranks."""
    made = {}
    for name, case in CASES.items():
        if case[3] and not SAMPLER:
            continue
        tracker = Recording()
        found, weights = fit(name, tracker)
        made[name] = {
            "weights": weights,
            "loss": found.history[-1]["train/loss"],
            "test": found.test,
            "ranks": found.test_result.ranks,
            "positives": found.test_result.positives,
            "told": tracker.told,
        }
    return made


def stop_and_resume(folder: Path) -> dict[str, object]:
    """One process is interrupted in an epoch; then all go on from the checkpoint."""
    checkpoint = folder / "checkpoints" / "vbpr.ckpt"
    last = distributed.size() - 1
    try:
        fit("vbpr mine", epochs=2, checkpoint=checkpoint, loader=lambda d: PressedOnce(d, last, 1))
        stopped = False
    except Interrupted:
        stopped = True
    _, whole = fit("vbpr mine", epochs=2)
    _, resumed = fit("vbpr mine", epochs=2, checkpoint=checkpoint, resume=True)
    files = sorted(path.name for path in checkpoint.parent.iterdir())
    return {"stopped": stopped, "whole": whole, "resumed": resumed, "files": files}


def functions() -> dict[str, object]:
    """What the functions of ``mrdib_graph.distributed`` answer in this process."""
    rank = distributed.rank()
    first, second, none = (Parameter(torch.ones(2)) for _ in range(3))
    first.grad = torch.full((2,), rank + 1.0)
    if rank == 0:
        second.grad = torch.full((2,), 5.0)
    distributed.sum_gradients([first, second, none])
    copied = torch.full((3,), float(rank))
    flag = torch.tensor(rank == 0)
    distributed.copy_first([copied, flag])
    with distributed.first_goes_first():
        pass
    try:
        distributed.check_same(1.0 + rank, "the test's number")
        different = ""
    except TrainingError as error:
        different = str(error)
    distributed.check_same(1.0, "the test's number")
    try:
        with distributed.processes():
            pass
        again = ""
    except ConfigError as error:
        again = str(error)
    return {
        "size": distributed.size(),
        "shards": [(s.start, s.stop) for s in map(distributed.shard, (0, 1, 4, 5))],
        "any": [distributed.any_process(rank == 1), distributed.any_process(False)],
        "concatenated": distributed.concatenate(torch.arange(rank + 1).expand(2, -1)),
        "gradients": [first.grad, second.grad, none.grad],
        "copied": [copied, flag],
        "different": different,
        "again": again,
        "device": distributed.local_device("cpu"),
    }


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with distributed.processes():
        result = {"functions": functions(), "cases": train(folder)}
        result["resume"] = stop_and_resume(folder)
        torch.save(result, folder / f"rank{distributed.rank()}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
