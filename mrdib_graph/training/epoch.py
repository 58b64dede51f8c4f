"""One pass over the training batches."""

from __future__ import annotations

import time

from torch_geometric.data import HeteroData

from mrdib_graph import distributed
from mrdib_graph.loader import TripletLoader
from mrdib_graph.recommender import Recommender
from mrdib_graph.training.interrupt import Interrupt
from mrdib_graph.training.memory import memory_mb
from mrdib_graph.training.state import TrainingState
from mrdib_graph.training.step import training_step
from mrdib_graph.training.trainer_config import TrainerConfig
from mrdib_graph.typing import Metrics


class EpochRunner:
    """Runs epochs from wherever the training state stands, between two steps included."""

    def __init__(
        self,
        recommender: Recommender,
        data: HeteroData,
        loader: TripletLoader,
        state: TrainingState,
        config: TrainerConfig,
    ) -> None:
        self.recommender = recommender
        self.data = data
        self.loader = loader
        self.state = state
        self.config = config

    def run(self, interrupt: Interrupt) -> Metrics:
        """Finish the current epoch, unless interrupted; means of every term over the steps."""
        state, config = self.state, self.config
        started = time.perf_counter()
        learning_rate = config.learning_rate * config.lr_decay ** (state.epoch / 50)
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate
        self.recommender.train()
        state.begin_epoch(self.data)
        for data, batch in self.loader.steps(self.data, skip=state.step):
            terms = training_step(
                self.recommender,
                data,
                batch,
                state.optimizer,
                state.noise,
                zero_grad=config.zero_grad,
                where=f"epoch {state.epoch}, step {state.step}",
            )
            state.end_step(terms)
            if interrupt.poll():
                break
        distributed.check_same(state.sums["loss"], f"the loss of epoch {state.epoch}")
        state.seconds += time.perf_counter() - started
        metrics = {f"train/{name}": value / state.step for name, value in state.sums.items()}
        metrics |= {
            "train/seconds": state.seconds,
            "train/learning_rate": learning_rate,
            "train/memory_mb": memory_mb(),
        }
        if state.step == len(self.loader):
            state.end_epoch()
        return metrics
