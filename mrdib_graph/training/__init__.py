"""The training loop, checkpoints and resume.

Names are loaded at first use, so that reading a configuration does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mrdib_graph.training.trainer import FitResult, Interrupted, Trainer
    from mrdib_graph.training.trainer_config import TrainerConfig

__all__ = ["FitResult", "Interrupted", "Trainer", "TrainerConfig"]


def __getattr__(name: str) -> object:
    if name == "TrainerConfig":
        from mrdib_graph.training.trainer_config import TrainerConfig

        return TrainerConfig
    if name in __all__:
        from mrdib_graph.training import trainer

        return getattr(trainer, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
