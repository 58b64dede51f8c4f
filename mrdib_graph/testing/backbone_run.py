"""A few training steps of a small backbone, as the checks need them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator, Tensor
from torch.optim import Adam
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones import Backbone
from mrdib_graph.loader import TripletLoader
from mrdib_graph.recommender import Recommender
from mrdib_graph.training import training_step
from mrdib_graph.typing import Triplets

_BATCH = 32


class BackboneRun:
    """A backbone in training: weights, optimizer and generators, all from one seed.

    Args:
        backbone_class: What is trained.
        data: The graph.
        options: Options of the class.
        seed: Of the weights; the draws are seeded by themselves.
    """

    def __init__(
        self,
        backbone_class: type[Backbone],
        data: HeteroData,
        options: dict[str, Any],
        seed: int = 0,
    ) -> None:
        torch.manual_seed(seed)
        self.default_noise = torch.get_rng_state()
        self.backbone = backbone_class.from_data(data, **{"embedding_dim": 8, **options})
        self.data = self.backbone.prepare(data)
        self.recommender = Recommender(self.backbone).train()
        self.optimizer = Adam(self.recommender.parameters(), lr=0.01, fused=True)
        self.noise = Generator().manual_seed(1)
        loader = TripletLoader(self.data, _BATCH, generator=Generator().manual_seed(2))
        self.batches = list(loader)

    def begin_epoch(self) -> None:
        """What the trainer does before an epoch."""
        self.recommender.prepare_epoch(self.data, 0, self.noise)

    def steps(self, batches: list[Triplets]) -> list[float]:
        """Train on batches; the loss of each."""
        model, noise = self.recommender, self.noise
        with self._own_default_noise():
            steps = [training_step(model, self.data, b, self.optimizer, noise) for b in batches]
        return [float(terms["loss"]) for terms in steps]

    @contextmanager
    def _own_default_noise(self) -> Iterator[None]:
        """Give torch's default generator the state of this run, as if no other were there."""
        before = torch.get_rng_state()
        torch.set_rng_state(self.default_noise)
        try:
            yield
        finally:
            self.default_noise = torch.get_rng_state()
            torch.set_rng_state(before)

    def loss(self, batch: Triplets) -> Tensor:
        """The weighted loss of one batch."""
        with self._own_default_noise():
            terms = self.recommender.loss(self.data, batch, self.noise)
        for name, value in terms.items():
            assert bool(value.isfinite()), f"term '{name}' is {float(value.detach())}"
        return self.recommender.total(terms)

    def state(self) -> dict[str, Any]:
        """Everything that a checkpoint holds."""
        return copy.deepcopy(
            {
                "recommender": self.recommender.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "noise": self.noise.get_state(),
                "default_noise": self.default_noise,
            }
        )

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.recommender.load_state_dict(state["recommender"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.noise.set_state(state["noise"])
        self.default_noise = state["default_noise"]

    def tables(self) -> tuple[Tensor, Tensor]:
        """The scored tables [U, w] and [I, w]."""
        with self._own_default_noise():
            return self.recommender.tables(self.data)


def every_node(data: HeteroData, num_negatives: int = 1) -> Triplets:
    """A batch in which every user and every item occurs, with or without interactions."""
    users, items = graph.num_users(data), graph.num_items(data)
    row = torch.arange(max(users, items))
    negatives = row.unsqueeze(1) + 1 + torch.arange(num_negatives)
    return Triplets(row % users, row % items, negatives % items)


def entries(data: HeteroData) -> dict[str, tuple[int, int]]:
    """Which object each entry of a graph is, and how often a tensor was written to."""
    return {
        f"'{name}' of {store._key}": (id(value), value._version if isinstance(value, Tensor) else 0)
        for store in data.stores
        for name, value in store.items()
    }
