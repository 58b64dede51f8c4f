"""Code of one's own in the training loop."""

from __future__ import annotations

import io
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import torch

from mrdib_graph import resolver
from mrdib_graph.errors import CheckpointError, TrainingError
from mrdib_graph.recommender import Recommender
from mrdib_graph.typing import Metrics, Terms

_NO_PACKAGE = ModuleType("callbacks")  # the library has none of its own to choose from


class Callback:
    """Called by the trainer after steps and epochs; every method may be left out.

    Set :attr:`stop` to end training after the current epoch.  What a run that is resumed must know
    of the earlier epochs goes through :meth:`state_dict`, in tensors and plain values.  Of several
    processes each calls its own callbacks, which must leave the weights the same in all.
    """

    stop: bool = False
    """Whether to end training."""

    def on_step_end(self, epoch: int, step: int, terms: Terms, recommender: Recommender) -> None:
        """After the update of a step.

        Args:
            epoch: From 0.
            step: Of the epoch, from 0.
            terms: The step's terms, and their weighted sum ``'loss'``, without gradient.
            recommender: What is trained.
        """

    def on_epoch_end(
        self, epoch: int, metrics: Metrics, recommender: Recommender
    ) -> Metrics | None:
        """After an epoch and its evaluation, where there is one.

        Args:
            epoch: From 0.
            metrics: ``'train/loss'``, ``'val/recall@20'`` ...; a copy.
            recommender: As it is evaluated: with averaged weights where these are asked for.

        Returns:
            More metrics to log, or None.
        """

    def state_dict(self) -> dict[str, Any]:
        """What the checkpoint keeps."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that :meth:`state_dict` gave."""


def callback_class(query: str | type) -> type[Callback]:
    """The class that ``"file.py:Class"`` names.

    Raises:
        ConfigError: No such file or class.
    """
    return resolver.resolve_class(query, _NO_PACKAGE, Callback, "callbacks")


def build_callbacks(queries: Sequence[str | type[Callback] | Callback]) -> list[Callback]:
    """Callbacks from ``"file.py:Class"``, classes or instances.

    Raises:
        ConfigError: No such file or class, or something else.
    """
    return [resolver.make(query, _NO_PACKAGE, Callback, "callbacks") for query in queries]


def states_of(callbacks: Sequence[Callback]) -> list[tuple[str, dict[str, Any]]]:
    """Name and state of each callback, for a checkpoint.

    Raises:
        TrainingError: A state holds something else than tensors and plain values.
    """
    found = []
    for callback in callbacks:
        name, state, buffer = type(callback).__name__, callback.state_dict(), io.BytesIO()
        try:
            torch.save(state, buffer)
            buffer.seek(0)
            torch.load(buffer, weights_only=True)
        except Exception as error:  # whatever else it holds
            raise TrainingError(
                f"callback {name}: its state cannot be kept in a checkpoint: {error}; state_dict "
                "has to give tensors and plain values"
            ) from error
        found.append((name, state))
    return found


def load_states(
    callbacks: Sequence[Callback], states: Sequence[tuple[str, dict[str, Any]]]
) -> None:
    """Give each callback the state that :func:`states_of` found.

    Raises:
        CheckpointError: There were others.
    """
    before, now = [name for name, _ in states], [type(c).__name__ for c in callbacks]
    if before != now:
        raise CheckpointError(
            f"written with the callbacks {', '.join(before) or 'none'}, this run has "
            f"{', '.join(now) or 'none'}; give the same, in the same order"
        )
    for callback, (_, state) in zip(callbacks, states, strict=True):
        callback.load_state_dict(state)
