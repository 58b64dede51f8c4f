"""Settings of the trainer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from mrdib_graph.errors import ConfigError
from mrdib_graph.options import (
    Count,
    NonNegative,
    NonNegativeInt,
    Positive,
    Probability,
    checked,
)


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
        optimizer: A class of ``torch.optim`` by name (``adam``, ``adamw``, ``sgd``, ``adagrad``,
            ``rmsprop`` ...), or ``file.py:Class``.
        optimizer_options: More options of that class, such as ``{momentum: 0.9}``.
        learning_rate: The optimizer's, at the first epoch or after the warm-up.
        lr_decay: g of ``learning_rate * g ** (epoch / 50)``.
        schedule: The learning rate falls from step to step, along half a ``'cosine'`` or a
            straight line (``'linear'``), and would be 0 after the last of ``epochs``; ``'none'``:
            only ``lr_decay`` changes it.
        warmup_epochs: Epochs over which the learning rate rises in equal steps to its value.
        weight_decay: The optimizer's: an L2 weight with Adam, a decay of the weights with AdamW.
        clip_norm: Largest norm of the gradient of all parameters together; 0 for any.
        zero_grad: ``'none'``; or ``'zeros'``, where a parameter without a gradient in a step keeps
            moving on Adam's momentum, as in releases for PyTorch below 2.
        average: Evaluate and keep averaged weights, while training goes on with the weights
            themselves: ``'ema'``, a moving average over steps, or ``'swa'``, the plain mean of
            those after each epoch.
        average_after: Epochs before the first weights that are averaged.
        ema_decay: d of ``'ema'``: each step makes it d times itself plus 1 - d times the weights.
        autocast: ``'bfloat16'``: dense products of the loss are rounded to it; weights, sparse
            products, updates and evaluation stay in float32.
        monitor: Validation metric that chooses the epoch, of which a greater value is better.
        seed: Of negatives, noise and order.
        device: ``'auto'``, ``'cpu'``, ``'cuda'`` ...
        checkpoint_seconds: Least time between two checkpoints.
        loader: ``'full'``: messages pass over the whole graph in each step; ``'neighbor'``: over a
            subgraph sampled around the batch (:class:`~mrdib_graph.loader.NeighborLoader`).
        num_neighbors: Of ``'neighbor'``: messages sampled to a node along each graph, for each hop
            from the batch, -1 for all; the last number stands for every further hop.
        callbacks: Code of your own, ``file.py:Class`` of a
            :class:`~mrdib_graph.training.Callback`.

    Raises:
        ConfigError: A value out of range, or a warm-up that leaves the schedule no epoch.
    """

    epochs: Count = 1000
    patience: NonNegativeInt = 20
    eval_every: Count = 1
    batch_size: Count = 2048
    negatives: str | None = None
    num_negatives: Count | None = None
    negative_options: dict[str, Any] = field(default_factory=dict)
    optimizer: str = "adam"
    optimizer_options: dict[str, Any] = field(default_factory=dict)
    learning_rate: Positive = 1e-3
    lr_decay: Positive = 1.0
    schedule: Literal["none", "cosine", "linear"] = "none"
    warmup_epochs: NonNegativeInt = 0
    weight_decay: NonNegative = 0.0
    clip_norm: NonNegative = 0.0
    zero_grad: Literal["none", "zeros"] = "none"
    average: Literal["none", "ema", "swa"] = "none"
    average_after: NonNegativeInt = 0
    ema_decay: Probability = 0.999
    autocast: Literal["none", "bfloat16"] = "none"
    monitor: str = "recall@20"
    seed: int = 0
    device: str = "auto"
    checkpoint_seconds: NonNegative = 30.0
    loader: Literal["full", "neighbor"] = "full"
    num_neighbors: list[int] = field(default_factory=lambda: [10, 10])
    callbacks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.num_neighbors or not all(n == -1 or n > 0 for n in self.num_neighbors):
            raise ConfigError(
                f"num_neighbors: got {self.num_neighbors}, expected one number or more, each above "
                "0, or -1 for all neighbours"
            )
        if self.schedule != "none" and self.warmup_epochs >= self.epochs:
            raise ConfigError(
                f"warmup_epochs: got {self.warmup_epochs} of {self.epochs} epochs, expected fewer, "
                f"since the schedule '{self.schedule}' comes after them"
            )

    @property
    def may_change(self) -> tuple[str, ...]:
        """Settings that a resumed run may have otherwise: how fast or where, not what it computes.

        A schedule follows from the number of epochs, which then has to stay.
        """
        free = ("patience", "checkpoint_seconds", "device")
        return free if self.schedule != "none" else ("epochs", *free)
