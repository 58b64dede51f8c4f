"""Settings of the trainer."""

from __future__ import annotations

from dataclasses import dataclass, field

from mrdib_graph.errors import ConfigError


@dataclass(frozen=True)
class TrainerConfig:
    """How a recommender is trained.

    Args:
        epochs: Epochs at most.
        patience: Stop when more than this many evaluations in a row bring no improvement.
        eval_every: Epochs between two evaluations on validation.
        batch_size: Observed interactions per step.
        num_negatives: Sampled items per observed one.
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

    epochs: int = 1000
    patience: int = 20
    eval_every: int = 1
    batch_size: int = 2048
    num_negatives: int = 1
    learning_rate: float = 1e-3
    lr_decay: float = 1.0
    weight_decay: float = 0.0
    zero_grad: str = "none"
    monitor: str = "recall@20"
    seed: int = 0
    device: str = "auto"
    checkpoint_seconds: float = 30.0
    loader: str = "full"
    num_neighbors: list[int] = field(default_factory=lambda: [10, 10])

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if not value >= least:
                raise ConfigError(f"{name}: got {value}, expected {least} or more")
        for name in ("learning_rate", "lr_decay"):
            value = getattr(self, name)
            if not value > 0:
                raise ConfigError(f"{name}: got {value}, expected more than 0")
        if self.zero_grad not in ("none", "zeros"):
            raise ConfigError(f"zero_grad: got {self.zero_grad!r}, expected none or zeros")
        if self.loader not in ("full", "neighbor"):
            raise ConfigError(f"loader: got {self.loader!r}, expected full or neighbor")
        if not self.num_neighbors or not all(n == -1 or n > 0 for n in self.num_neighbors):
            raise ConfigError(
                f"num_neighbors: got {self.num_neighbors}, expected one number or more, each above "
                "0, or -1 for all neighbours"
            )


_LEAST = {
    "epochs": 1,
    "patience": 0,
    "eval_every": 1,
    "batch_size": 1,
    "num_negatives": 1,
    "weight_decay": 0,
    "checkpoint_seconds": 0,
}
