"""The training loop: nothing here knows a model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from torch_geometric.data import HeteroData

from mrdib_graph import distributed
from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import Evaluator, MetricResult
from mrdib_graph.loader import NeighborLoader, TripletLoader
from mrdib_graph.recommender import Recommender
from mrdib_graph.tracking import Tracker
from mrdib_graph.training.callback import Callback, build_callbacks
from mrdib_graph.training.device import resolve_device
from mrdib_graph.training.epoch import run_epoch
from mrdib_graph.training.interrupt import Interrupt
from mrdib_graph.training.loss_sampler import loss_sampler
from mrdib_graph.training.progress import Progress
from mrdib_graph.training.shared_evaluation import evaluate
from mrdib_graph.training.state import TrainingState
from mrdib_graph.training.trainer_config import TrainerConfig
from mrdib_graph.typing import Metrics


class FitResult(NamedTuple):
    """What training gave: the metrics are those of the epoch that was best on validation.

    ``val`` and ``test`` hold every metric, means over users and values of all users together.
    """

    best_epoch: int
    epochs: int
    seconds_per_epoch: float
    peak_memory_mb: float
    val: Metrics
    test: Metrics
    test_result: MetricResult
    history: list[Metrics]

    def __repr__(self) -> str:
        name = (
            TrainerConfig.monitor if TrainerConfig.monitor in self.test else next(iter(self.test))
        )
        return (
            f"FitResult(epoch {self.best_epoch + 1} of {self.epochs}, {name} {self.val[name]:.4f} "
            f"on validation, {self.test[name]:.4f} on test)"
        )

    def _repr_html_(self) -> str:
        """The metrics as a table, for notebooks."""
        title = f"Epoch {self.best_epoch + 1} of {self.epochs}"
        rows = "".join(
            f"<tr><td>{name}</td><td>{value:.4f}</td><td>{self.test[name]:.4f}</td></tr>"
            for name, value in self.val.items()
        )
        heads = "<tr><th>metric</th><th>validation</th><th>test</th></tr>"
        return f"<table><caption>{title}</caption>{heads}{rows}</table>"


class Interrupted(KeyboardInterrupt):
    """Training was stopped by Ctrl-C after a checkpoint was written (where one was asked for)."""


class Trainer:
    """Trains a recommender until validation stops improving, then evaluates test once.

    Args:
        config: Settings.
        evaluator: Ranks and scores; made from the graph with default settings where absent.
        tracker: Told one set of metrics per epoch.
        quiet: Show no progress.
        callbacks: Code of one's own, called after those of the config: instances, or classes and
            ``"file.py:Class"`` that are made anew for each training.
        overrides: Single settings, for example ``Trainer(epochs=50)``.

    Raises:
        ConfigError: An unknown setting.
    """

    def __init__(
        self,
        config: TrainerConfig | None = None,
        evaluator: Evaluator | None = None,
        tracker: Tracker | None = None,
        quiet: bool = False,
        callbacks: Sequence[str | type[Callback] | Callback] = (),
        **overrides: Any,
    ) -> None:
        try:
            self.config = replace(config or TrainerConfig(), **overrides)
        except TypeError as error:
            raise ConfigError(f"Trainer: {error}") from error
        self.evaluator = evaluator
        self.tracker = tracker or Tracker()
        self.quiet = quiet
        self.callbacks = [*self.config.callbacks, *callbacks]

    def __repr__(self) -> str:
        given = {f.name: getattr(self.config, f.name) for f in fields(self.config)}
        default = asdict(TrainerConfig())
        own = [f"{name}={value!r}" for name, value in given.items() if value != default[name]]
        return f"Trainer({', '.join(own)})"

    def fit(
        self,
        recommender: Recommender,
        data: HeteroData,
        loader: TripletLoader | None = None,
        checkpoint: Path | None = None,
        resume: bool = False,
        label: str = "training",
    ) -> FitResult:
        """Train; at the end the recommender holds the weights of the best epoch.

        Of several processes (:mod:`mrdib_graph.distributed`) every one calls it with the same
        arguments; the first one writes the checkpoint, logs and shows progress.

        Args:
            recommender: What is trained, in place.
            data: The graph, split.
            loader: Batches; that of the config, with its sizes, where absent.
            checkpoint: File that the state is kept in; none for None.
            resume: Continue from the file where it exists, to the same result bit for bit.
            label: Name shown with the progress.

        Raises:
            ConfigError: A setting does not fit, such as the monitor or an optimizer's option.
            TrainingError: A loss is not finite; the last checkpoint stays.
            CheckpointError: The checkpoint cannot be read or belongs to another setup.
            Interrupted: Ctrl-C; the checkpoint holds the state between two steps.
        """
        callbacks = build_callbacks(self.callbacks)
        device = resolve_device(self.config.device)
        data = recommender.backbone.prepare(data).to(device)
        recommender.to(device)
        evaluator = self._checked_evaluator(data)
        loader = loader or self._loader(recommender, data)
        state = self._state(recommender, loader, callbacks, checkpoint, resume)
        keeper = _Keeper(state, checkpoint, self.config.checkpoint_seconds)
        first = distributed.rank() == 0
        progress = Progress(self.config.epochs, label, self.quiet or not first)
        with closing(progress), Interrupt() as interrupt:
            while not state.finished and not interrupt.poll():
                metrics = run_epoch(state, data, interrupt)
                if state.step:  # interrupted inside the epoch
                    break
                if self._evaluates_after(state.epoch):
                    metrics |= self._validate(evaluator, data, state, progress)
                metrics |= _call_back(state, metrics)
                if state.stopped and f"val/{self.config.monitor}" not in metrics:
                    metrics |= self._validate(evaluator, data, state, progress)
                state.history.append(metrics)
                if first:
                    self.tracker.log_metrics(metrics, step=state.epoch - 1)
                keeper.save_if_due()
            if interrupt.poll():
                keeper.save()
                raise Interrupted
        state.load_best()
        return _result(state, evaluate(evaluator, recommender.tables(data), "test"))

    def _checked_evaluator(self, data: HeteroData) -> Evaluator:
        evaluator, monitor = self.evaluator or Evaluator(data), self.config.monitor
        if monitor not in evaluator.names:
            raise ConfigError(
                f"monitor: got {monitor!r}, expected one of {', '.join(evaluator.names)}"
            )
        evaluator.metrics[evaluator.names.index(monitor)].check_monitor()
        return evaluator

    def _loader(self, recommender: Recommender, data: HeteroData) -> TripletLoader:
        config, backbone = self.config, recommender.backbone
        negatives = loss_sampler(recommender.ranking_loss, config)
        if config.loader == "full":
            return TripletLoader(data, config.batch_size, negatives=negatives)
        sampling = partial(backbone.sampling, data)
        size, hops = config.batch_size, config.num_neighbors
        return NeighborLoader(data, sampling, hops, size, negatives=negatives)

    def _state(
        self,
        recommender: Recommender,
        loader: TripletLoader,
        callbacks: Sequence[Callback],
        checkpoint: Path | None,
        resume: bool,
    ) -> TrainingState:
        """A fresh state, the same in all processes; or that of the checkpoint to go on from."""
        loader.generator.manual_seed(self.config.seed)
        distributed.copy_first(recommender.state_dict().values())
        state = TrainingState(recommender, loader, self.config, callbacks)
        if resume and checkpoint is not None and distributed.any_process(checkpoint.is_file()):
            state.load(checkpoint)
        return state

    def _evaluates_after(self, epoch: int) -> bool:
        return epoch % self.config.eval_every == 0 or epoch == self.config.epochs

    def _validate(
        self, evaluator: Evaluator, data: HeteroData, state: TrainingState, progress: Progress
    ) -> Metrics:
        values = evaluate(evaluator, state.scored.tables(data), "val").values
        value = values[self.config.monitor]
        state.evaluated(value, values)
        loss = state.sums["loss"] / len(state.loader)
        progress.update(state.epoch - 1, loss, self.config.monitor, value, state.best_value)
        return {f"val/{name}": value for name, value in values.items()}


def _call_back(state: TrainingState, metrics: Metrics) -> Metrics:
    """What callbacks have to say after an epoch; all processes stop where one is asked to."""
    more: Metrics = {}
    for callback in state.callbacks:
        more |= callback.on_epoch_end(state.epoch - 1, metrics | more, state.scored) or {}
    state.stopped = distributed.any_process(any(callback.stop for callback in state.callbacks))
    return more


class _Keeper:
    """Keeps the state in a file, where there is one; of several processes the first one writes."""

    def __init__(self, state: TrainingState, path: Path | None, seconds: float) -> None:
        self.state = state
        self.path = path if distributed.rank() == 0 else None
        self.seconds = seconds
        self.saved_at = time.monotonic()

    def save(self) -> None:
        if self.path is not None:
            self.state.save(self.path)
            self.saved_at = time.monotonic()

    def save_if_due(self) -> None:
        if self.state.finished or time.monotonic() - self.saved_at >= self.seconds:
            self.save()


def _result(state: TrainingState, test: MetricResult) -> FitResult:
    seconds = sorted(metrics["train/seconds"] for metrics in state.history)
    return FitResult(
        best_epoch=state.best_epoch,
        epochs=state.epoch,
        seconds_per_epoch=seconds[len(seconds) // 2],
        peak_memory_mb=max(metrics["train/memory_mb"] for metrics in state.history),
        val=state.best_metrics,
        test=test.values,
        test_result=test,
        history=state.history,
    )
