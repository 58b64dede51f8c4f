"""The training loop: nothing here knows a model."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from torch_geometric.data import HeteroData

from mrdib_graph import distributed
from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import Evaluator, EvaluatorConfig, MetricResult
from mrdib_graph.loader import NeighborLoader, TripletLoader
from mrdib_graph.recommender import Recommender
from mrdib_graph.tracking import Tracker
from mrdib_graph.training.device import resolve_device
from mrdib_graph.training.epoch import EpochRunner
from mrdib_graph.training.interrupt import Interrupt
from mrdib_graph.training.progress import Progress
from mrdib_graph.training.shared_evaluation import evaluate
from mrdib_graph.training.state import TrainingState
from mrdib_graph.training.trainer_config import TrainerConfig
from mrdib_graph.typing import Metrics


class FitResult(NamedTuple):
    """What training gave: the metrics are those of the epoch that was best on validation."""

    best_epoch: int
    epochs: int
    seconds_per_epoch: float
    peak_memory_mb: float
    val: Metrics
    test: Metrics
    test_result: MetricResult
    history: list[Metrics]


class Interrupted(KeyboardInterrupt):
    """Training was stopped by Ctrl-C after a checkpoint was written (where one was asked for)."""


class Trainer:
    """Trains a recommender until validation stops improving, then evaluates test once.

    Args:
        config: Settings.
        evaluator: Ranks and scores; made from the graph with default settings where absent.
        tracker: Told one set of metrics per epoch.
        quiet: Show no progress.
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
        **overrides: Any,
    ) -> None:
        try:
            self.config = replace(config or TrainerConfig(), **overrides)
        except TypeError as error:
            raise ConfigError(f"Trainer: {error}") from error
        self.evaluator = evaluator
        self.tracker = tracker or Tracker()
        self.quiet = quiet

    def fit(
        self,
        recommender: Recommender,
        data: HeteroData,
        loader: TripletLoader | None = None,
        checkpoint: Path | None = None,
        resume: bool = False,
        label: str = "training",
        each_epoch: Callable[[int], Metrics] | None = None,
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
            each_epoch: More metrics to log after an evaluation, given the epoch.

        Raises:
            TrainingError: A loss is not finite; the last checkpoint stays.
            CheckpointError: The checkpoint cannot be read or belongs to another setup.
            Interrupted: Ctrl-C; the checkpoint holds the state between two steps.
        """
        config = self.config
        device = resolve_device(config.device)
        data = recommender.backbone.prepare(data).to(device)
        recommender.to(device)
        evaluator = self.evaluator or Evaluator(data, EvaluatorConfig())
        if config.monitor not in evaluator.names:
            raise ConfigError(
                f"monitor: got {config.monitor!r}, expected one of {', '.join(evaluator.names)}"
            )
        loader = loader or self._loader(recommender, data)
        loader.generator.manual_seed(config.seed)
        distributed.copy_first(recommender.state_dict().values())
        state = TrainingState(recommender, loader, config)
        there = checkpoint is not None and checkpoint.is_file()
        if resume and checkpoint is not None and distributed.any_process(there):
            state.load(checkpoint)
        first = distributed.rank() == 0
        runner = EpochRunner(recommender, data, loader, state, config)
        progress = Progress(config.epochs, label, self.quiet or not first)
        saved_at = time.monotonic()
        try:
            with Interrupt() as interrupt:
                while not state.finished and not interrupt.poll():
                    metrics = runner.run(interrupt)
                    if state.step:  # interrupted inside the epoch
                        break
                    if state.epoch % config.eval_every == 0 or state.epoch == config.epochs:
                        result = evaluate(evaluator, recommender.tables(data), "val")
                        value = result.mean[config.monitor]
                        metrics |= {f"val/{name}": v for name, v in result.mean.items()}
                        metrics |= each_epoch(state.epoch - 1) if each_epoch else {}
                        state.evaluated(value, result.mean)
                        progress.update(
                            state.epoch - 1,
                            metrics["train/loss"],
                            config.monitor,
                            value,
                            state.best_value,
                        )
                    state.history.append(metrics)
                    if first:
                        self.tracker.log_metrics(metrics, step=state.epoch - 1)
                    due = time.monotonic() - saved_at >= config.checkpoint_seconds
                    if first and checkpoint is not None and (due or state.finished):
                        state.save(checkpoint)
                        saved_at = time.monotonic()
                if interrupt.poll():
                    if first and checkpoint is not None:
                        state.save(checkpoint)
                    raise Interrupted
        finally:
            progress.close()
        state.load_best()
        test = evaluate(evaluator, recommender.tables(data), "test")
        seconds = sorted(h["train/seconds"] for h in state.history)
        return FitResult(
            best_epoch=state.best_epoch,
            epochs=state.epoch,
            seconds_per_epoch=seconds[len(seconds) // 2],
            peak_memory_mb=max(h["train/memory_mb"] for h in state.history),
            val=state.best_metrics,
            test=test.mean,
            test_result=test,
            history=state.history,
        )

    def _loader(self, recommender: Recommender, data: HeteroData) -> TripletLoader:
        config, backbone = self.config, recommender.backbone
        if config.loader == "full":
            return TripletLoader(data, config.batch_size, config.num_negatives)
        return NeighborLoader(
            data,
            lambda: backbone.sampling(data),
            config.num_neighbors,
            config.batch_size,
            config.num_negatives,
        )
