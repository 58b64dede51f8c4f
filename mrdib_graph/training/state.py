"""Everything a training run needs to go on, down to the step."""

from __future__ import annotations

import copy
from collections.abc import Sequence
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
from mrdib_graph.training.average import Average
from mrdib_graph.training.callback import Callback, load_states, states_of
from mrdib_graph.training.optimizer import build_optimizer
from mrdib_graph.training.trainer_config import TrainerConfig
from mrdib_graph.typing import Metrics


class TrainingState:
    """Weights, optimizer, generators and counters of a run.

    The random numbers of an epoch follow from the generators' states at its start, which are kept,
    so a run that stops between two steps goes on to the same result bit for bit.
    """

    def __init__(
        self,
        recommender: Recommender,
        loader: TripletLoader,
        config: TrainerConfig,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.recommender = recommender
        self.loader = loader
        self.config = config
        self.callbacks = callbacks
        parameters = [p for p in recommender.parameters() if p.requires_grad]
        self.optimizer = build_optimizer(parameters, config)
        self.average = None if config.average == "none" else Average(recommender, config)
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
        self.stopped = False
        self._best: dict[str, Tensor] = {}
        self._order = loader.generator.get_state()

    @property
    def finished(self) -> bool:
        """Whether the last epoch was run, patience is spent or a callback asked to stop."""
        return self.step == 0 and (
            self.epoch >= self.config.epochs
            or self.without_improvement > self.config.patience
            or self.stopped
        )

    @property
    def scored(self) -> Recommender:
        """What is evaluated and kept: with averaged weights, once there are any."""
        begun = self.average is not None and self.average.begun
        return self.average.recommender if begun and self.average else self.recommender

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
        if self.average is not None:
            self.average.end_step(self.recommender, self.epoch)
        self.step += 1

    def end_epoch(self) -> None:
        """Count an epoch."""
        if self.average is not None:
            self.average.end_epoch(self.recommender, self.epoch)
        self.epoch += 1
        self.step = 0

    def evaluated(self, value: float, metrics: Metrics) -> None:
        """Compare with the best validation value so far; keep the weights if it is better."""
        if value > self.best_value:
            self.best_epoch, self.best_value = self.epoch - 1, value
            self.best_metrics = dict(metrics)
            self.without_improvement = 0
            self._best = copy.deepcopy(self.scored.state_dict())
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
            CheckpointError: It is damaged, or was written with other settings, another model,
                other batches or other callbacks.
        """
        saved = checkpoint.load(path)
        self._check_settings(saved["config"], path)
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
            moved = [p in self.optimizer.state for p in self.recommender.parameters()]
            had = saved.get("with_gradient", moved)  # earlier versions had Adam alone
            for parameter, once in zip(self.recommender.parameters(), had, strict=True):
                parameter.grad = torch.zeros_like(parameter) if once else None
        if self.average is not None:
            self.average.load_state_dict(saved["average"])
        try:
            load_states(self.callbacks, saved.get("callbacks", []))
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from error
        self.noise.set_state(saved["noise"])
        torch.set_rng_state(saved["default_noise"])
        if saved["default_noise_cuda"]:
            torch.cuda.set_rng_state_all(saved["default_noise_cuda"])
        self.loader.generator.set_state(saved["generator"])
        self._order = saved["order"]
        self._best = saved["best"]
        for name in _COUNTERS:
            setattr(self, name, saved.get(name, getattr(self, name)))

    def _check_settings(self, before: dict[str, Any], path: Path) -> None:
        mine = asdict(self.config)
        for name, value in (asdict(TrainerConfig()) | before).items():
            if name not in self.config.may_change and mine.get(name) != value:
                schedule = f", and the schedule '{self.config.schedule}' follows from them"
                raise CheckpointError(
                    f"{path}: written with {name}={value!r}, this run has {mine.get(name)!r}"
                    f"{schedule if name == 'epochs' else ''}; use the same settings or another "
                    "folder"
                )

    def _as_dict(self) -> dict[str, Any]:
        return {
            "config": asdict(self.config),
            "steps": len(self.loader),
            "model": self.recommender.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "with_gradient": [p.grad is not None for p in self.recommender.parameters()],
            "average": None if self.average is None else self.average.state_dict(),
            "callbacks": states_of(self.callbacks),
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
    "stopped",
)
