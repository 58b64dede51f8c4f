"""Optimizers of ``torch.optim``, or of a file, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import Parameter
from torch.optim import Optimizer

from mrdib_graph import resolver
from mrdib_graph.errors import ConfigError
from mrdib_graph.options import check_options, parameters
from mrdib_graph.training.trainer_config import TrainerConfig

_OTHER_STEPS = {
    "LBFGS": "evaluates the loss several times in each step",
    "Muon": "updates matrices alone",
    "SparseAdam": "needs sparse gradients",
}
_GIVEN = ("params", "lr", "weight_decay")
_KERNELS = ("fused", "foreach", "capturable", "differentiable")


def optimizer_class(config: TrainerConfig) -> type[Optimizer]:
    """The class that the settings name, its options checked.

    Raises:
        ConfigError: The name (with the nearest one) or an option is unknown, the class cannot
            take a step from one gradient, or has no weight decay.
    """
    what = "optimizer"
    cls = resolver.resolve_class(config.optimizer, torch.optim, Optimizer, what)
    if cls.__name__ in _OTHER_STEPS and getattr(torch.optim, cls.__name__) is cls:
        raise ConfigError(
            f"{what}: {cls.__name__} {_OTHER_STEPS[cls.__name__]}, which the trainer does not; "
            "take adam or another"
        )
    check_options(cls, config.optimizer_options, f"{what}_options of {cls.__name__}", _GIVEN)
    if config.weight_decay and "weight_decay" not in parameters(cls):
        raise ConfigError(f"weight_decay: {cls.__name__} has none; leave it 0")
    return cls


def build_optimizer(weights: Sequence[Parameter], config: TrainerConfig) -> Optimizer:
    """The optimizer of the settings, with its fused kernel where it has one.

    Raises:
        ConfigError: As :func:`optimizer_class`, or a value is out of the range of the class.
    """
    cls = optimizer_class(config)
    options: dict[str, Any] = dict(config.optimizer_options)
    known = parameters(cls)
    if "weight_decay" in known:
        options["weight_decay"] = config.weight_decay
    if "fused" in known and not any(name in options for name in _KERNELS):
        options["fused"] = weights[0].device.type in ("cpu", "cuda")
    try:
        return cls(weights, lr=config.learning_rate, **options)  # type: ignore[call-arg]
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"optimizer {cls.__name__}: {error}") from error
