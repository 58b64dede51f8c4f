"""Settings of the trainer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from mrdib_graph.errors import ConfigError
from mrdib_graph.options import Count, NonNegative, NonNegativeInt, Positive, checked


@checked
@dataclass(frozen=True)
class TrainerConfig:
    """How a recommender is trained.

    Args:
        epochs: Epochs at most.
        patience: Stop when more than this many evaluations in a row bring no improvement.
        eval_every: Epochs between two evaluations on validation.
        batch_size: Observed interactions per step.
        negatives: Sampler of the items that observed ones are compared with: a name of
            :mod:`mrdib_graph.negatives`, or ``file.py:Class``; the ranking loss's own for None.
        num_negatives: How many it draws; its own default for None.
        negative_options: More options of the sampler.
        learning_rate: Adam's, at the first epoch.
        lr_decay: g of ``learning_rate * g ** (epoch / 50)``.
        weight_decay: Adam's L2 weight.
        zero_grad: ``'none'``; or ``'zeros'``, where a parameter without a gradient in a step keeps
            moving on Adam's momentum, as in releases for PyTorch below 2.
        monitor: Validation metric that chooses the epoch.
        seed: Of negatives, noise and order.
        device: ``'auto'``, ``'cpu'``, ``'cuda'`` ...
        checkpoint_seconds: Least time between two checkpoints.
        loader: ``'full'``: messages pass over the whole graph in each step; ``'neighbor'``: over a
            subgraph sampled around the batch (:class:`~mrdib_graph.loader.NeighborLoader`).
        num_neighbors: Of ``'neighbor'``: messages sampled to a node along each graph, for each hop
            from the batch, -1 for all; the last number stands for every further hop.

    Raises:
        ConfigError: A value out of range.
    """

    epochs: Count = 1000
    patience: NonNegativeInt = 20
    eval_every: Count = 1
    batch_size: Count = 2048
    negatives: str | None = None
    num_negatives: Count | None = None
    negative_options: dict[str, Any] = field(default_factory=dict)
    learning_rate: Positive = 1e-3
    lr_decay: Positive = 1.0
    weight_decay: NonNegative = 0.0
    zero_grad: Literal["none", "zeros"] = "none"
    monitor: str = "recall@20"
    seed: int = 0
    device: str = "auto"
    checkpoint_seconds: NonNegative = 30.0
    loader: Literal["full", "neighbor"] = "full"
    num_neighbors: list[int] = field(default_factory=lambda: [10, 10])

    def __post_init__(self) -> None:
        if not self.num_neighbors or not all(n == -1 or n > 0 for n in self.num_neighbors):
            raise ConfigError(
                f"num_neighbors: got {self.num_neighbors}, expected one number or more, each above "
                "0, or -1 for all neighbours"
            )
