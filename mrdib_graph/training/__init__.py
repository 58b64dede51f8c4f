"""The training loop, checkpoints and resume.

Names are loaded at first use, so that reading a configuration does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mrdib_graph.training.callback import Callback
    from mrdib_graph.training.device import resolve_device
    from mrdib_graph.training.memory import memory_mb
    from mrdib_graph.training.step import training_step
    from mrdib_graph.training.trainer import FitResult, Interrupted, Trainer
    from mrdib_graph.training.trainer_config import TrainerConfig

__all__ = [
    "Callback",
    "FitResult",
    "Interrupted",
    "Trainer",
    "TrainerConfig",
    "memory_mb",
    "resolve_device",
    "training_step",
]

_FILES = {
    "Callback": "callback",
    "TrainerConfig": "trainer_config",
    "memory_mb": "memory",
    "resolve_device": "device",
    "training_step": "step",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FILES.get(name, 'trainer')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
