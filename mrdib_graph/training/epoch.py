"""One pass over the training batches."""

from __future__ import annotations

import time

from torch_geometric.data import HeteroData

from mrdib_graph import distributed
from mrdib_graph.training.interrupt import Interrupt
from mrdib_graph.training.memory import memory_mb
from mrdib_graph.training.schedule import learning_rate
from mrdib_graph.training.state import TrainingState
from mrdib_graph.training.step import training_step
from mrdib_graph.typing import Metrics


def run_epoch(state: TrainingState, data: HeteroData, interrupt: Interrupt) -> Metrics:
    """Finish the current epoch, unless interrupted; means of every term over the steps.

    It starts wherever the training state stands, between two steps included.
    """
    recommender, config = state.recommender, state.config
    started = time.perf_counter()
    recommender.train()
    state.begin_epoch(data)
    for part, batch in state.loader.steps(data, skip=state.step):
        rate = learning_rate(config, state.epoch, state.step, len(state.loader))
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        terms = training_step(
            recommender,
            part,
            batch,
            state.optimizer,
            state.noise,
            config.zero_grad,
            where=f"epoch {state.epoch}, step {state.step}",
            clip_norm=config.clip_norm,
            autocast=config.autocast,
        )
        for callback in state.callbacks:
            callback.on_step_end(state.epoch, state.step, dict(terms), recommender)
        state.end_step(terms)
        if interrupt.poll():
            break
    distributed.check_same(state.sums["loss"], f"the loss of epoch {state.epoch}")
    state.seconds += time.perf_counter() - started
    metrics = {f"train/{name}": value / state.step for name, value in state.sums.items()}
    metrics |= {
        "train/seconds": state.seconds,
        "train/learning_rate": rate,  # of the last step
        "train/memory_mb": memory_mb(),
    }
    if state.step == len(state.loader):
        state.end_epoch()
    return metrics
