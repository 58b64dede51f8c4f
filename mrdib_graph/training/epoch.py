"""One pass over the training batches."""

from __future__ import annotations

import time

import torch
from torch_geometric.data import HeteroData

from mrdib_graph import distributed
from mrdib_graph.errors import TrainingError
from mrdib_graph.loader import TripletLoader
from mrdib_graph.recommender import Recommender
from mrdib_graph.training.interrupt import Interrupt
from mrdib_graph.training.state import TrainingState
from mrdib_graph.training.trainer_config import TrainerConfig
from mrdib_graph.typing import Metrics, Terms


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
            terms = self.recommender.loss(data, batch, state.noise)
            total = self.recommender.total(terms)
            self._check_finite(total, terms)
            state.optimizer.zero_grad(set_to_none=config.zero_grad == "none")
            torch.autograd.backward(total / distributed.size())
            distributed.sum_gradients(self.recommender.parameters())
            state.optimizer.step()
            state.end_step({"loss": total, **terms})
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
        metrics |= {f"weight/{name}": w for name, w in self.recommender.learned_weights.items()}
        if state.step == len(self.loader):
            state.end_epoch()
        return metrics

    def _check_finite(self, total: torch.Tensor, terms: Terms) -> None:
        if bool(torch.isfinite(total)):
            return
        bad = [name for name, value in terms.items() if not bool(torch.isfinite(value))]
        values = ", ".join(f"{name} {value.item():.3g}" for name, value in terms.items())
        raise TrainingError(
            f"the loss is not finite at epoch {self.state.epoch}, step {self.state.step}: "
            f"term {', '.join(bad) or 'total'} ({values}); lower the learning rate or the weight "
            "of that term. The last checkpoint is untouched"
        )


def memory_mb() -> float:
    """Memory in use: peak on the GPU where one is used, else resident in this process."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return torch.cuda.max_memory_allocated() / 2**20
    import psutil

    resident: int = psutil.Process().memory_info().rss
    return resident / 2**20
