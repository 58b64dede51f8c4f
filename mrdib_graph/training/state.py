"""Everything a training run needs to go on, down to the step."""

from __future__ import annotations

import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph.errors import CheckpointError, TrainingError
from mrdib_graph.loader import TripletLoader
from mrdib_graph.recommender import Recommender
from mrdib_graph.training import checkpoint
from mrdib_graph.training.trainer_config import TrainerConfig
from mrdib_graph.typing import Metrics

# These change how fast or where a run goes on, not what it computes; the others must agree.
_FREE_SETTINGS = ("epochs", "patience", "checkpoint_seconds", "device")


class TrainingState:
    """Weights, optimizer, generators and counters of a run.

    The random numbers of an epoch follow from the generators' states at its start, which are kept,
    so a run that stops between two steps goes on to the same result bit for bit.
    """

    def __init__(
        self, recommender: Recommender, loader: TripletLoader, config: TrainerConfig
    ) -> None:
        self.recommender = recommender
        self.loader = loader
        self.config = config
        parameters = [p for p in recommender.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(
            parameters,
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=parameters[0].device.type in ("cpu", "cuda"),
        )
        self.noise = torch.Generator(device=parameters[0].device).manual_seed(config.seed + 1)
        torch.manual_seed(config.seed + 2)  # dropout layers draw from the default generator
        self.epoch = 0
        self.step = 0
        self.seconds = 0.0
        self.sums: dict[str, float] = {}
        self.history: list[Metrics] = []
        self.best_epoch = -1
        self.best_value = -float("inf")
        self.best_metrics: Metrics = {}
        self.without_improvement = 0
        self._best: dict[str, Tensor] = {}
        self._order = loader.generator.get_state()

    @property
    def finished(self) -> bool:
        """Whether the last epoch was run or patience is spent."""
        return self.step == 0 and (
            self.epoch >= self.config.epochs or self.without_improvement > self.config.patience
        )

    def begin_epoch(self, data: HeteroData) -> None:
        """Start an epoch, or return to the step at which it was left."""
        if self.step == 0:
            self._order = self.loader.generator.get_state()
            self.sums, self.seconds = {}, 0.0
        else:
            self.loader.generator.set_state(self._order)
        self.recommender.prepare_epoch(data, self.epoch, self.noise, resumed=self.step > 0)

    def end_step(self, terms: dict[str, Tensor]) -> None:
        """Count a step and add up its terms."""
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value.detach())
        self.step += 1

    def end_epoch(self) -> None:
        """Count an epoch."""
        self.epoch += 1
        self.step = 0

    def evaluated(self, value: float, metrics: Metrics) -> None:
        """Compare with the best validation value so far; keep the weights if it is better."""
        if value > self.best_value:
            self.best_epoch, self.best_value = self.epoch - 1, value
            self.best_metrics = dict(metrics)
            self.without_improvement = 0
            self._best = copy.deepcopy(self.recommender.state_dict())
        else:
            self.without_improvement += 1

    def load_best(self) -> None:
        """Give the recommender the weights of the best epoch.

        Raises:
            CheckpointError: No epoch was evaluated, and none is left.
        """
        if not self._best:
            raise CheckpointError(
                f"the checkpoint is at epoch {self.epoch}, before its first evaluation, and "
                f"epochs={self.config.epochs} leaves none to come; raise epochs"
            )
        self.recommender.load_state_dict(self._best)

    def save(self, path: Path) -> None:
        """Write a checkpoint.

        Raises:
            TrainingError: A weight is not finite; the checkpoint on disk stays as it was.
        """
        for name, parameter in self.recommender.named_parameters():
            if not bool(torch.isfinite(parameter).all()):
                raise TrainingError(
                    f"the weights of '{name}' are not finite after epoch {self.epoch}: lower the "
                    "learning rate. The last checkpoint is untouched"
                )
        checkpoint.save(self._as_dict(), path)

    def load(self, path: Path) -> None:
        """Read a checkpoint.

        Raises:
            CheckpointError: It is damaged, or was written with other settings, another model or
                other batches.
        """
        saved = checkpoint.load(path)
        mine = asdict(self.config)
        for name, value in saved["config"].items():
            if name not in _FREE_SETTINGS and mine.get(name) != value:
                raise CheckpointError(
                    f"{path}: written with {name}={value!r}, this run has {mine.get(name)!r}; use "
                    "the same settings or another folder"
                )
        if saved["steps"] != len(self.loader):
            raise CheckpointError(
                f"{path}: written with {saved['steps']} steps an epoch, this run has "
                f"{len(self.loader)}; use the same data and batch size or another folder"
            )
        try:
            self.recommender.load_state_dict(saved["model"])
        except RuntimeError as error:
            raise CheckpointError(f"{path}: of another model: {error}") from error
        self.optimizer.load_state_dict(saved["optimizer"])
        if self.config.zero_grad == "zeros":  # what once had a gradient keeps one, of zeros
            for parameter in self.optimizer.state:
                parameter.grad = torch.zeros_like(parameter)
        self.noise.set_state(saved["noise"])
        torch.set_rng_state(saved["default_noise"])
        if saved["default_noise_cuda"]:
            torch.cuda.set_rng_state_all(saved["default_noise_cuda"])
        self.loader.generator.set_state(saved["generator"])
        self._order = saved["order"]
        self._best = saved["best"]
        for name in _COUNTERS:
            setattr(self, name, saved[name])

    def _as_dict(self) -> dict[str, Any]:
        return {
            "config": asdict(self.config),
            "steps": len(self.loader),
            "model": self.recommender.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "noise": self.noise.get_state(),
            "default_noise": torch.get_rng_state(),
            "default_noise_cuda": _cuda_noise(),
            "generator": self.loader.generator.get_state(),
            "order": self._order,
            "best": self._best,
            **{name: getattr(self, name) for name in _COUNTERS},
        }


def _cuda_noise() -> list[Tensor]:
    """State of the default generator of every GPU."""
    return torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []


_COUNTERS = (
    "epoch",
    "step",
    "seconds",
    "sums",
    "history",
    "best_epoch",
    "best_value",
    "best_metrics",
    "without_improvement",
)
