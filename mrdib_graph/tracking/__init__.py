"""Trackers: none, console, several, MLflow.

The base :class:`Tracker` keeps nothing.  ``MLflowTracker`` and ``replay`` import mlflow (some
seconds), so they are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrdib_graph.tracking.console_tracker import ConsoleTracker
from mrdib_graph.tracking.several import Trackers
from mrdib_graph.tracking.tracker import Tracker
from mrdib_graph.tracking.uri import local_uri

if TYPE_CHECKING:
    from mrdib_graph.tracking.mlflow_tracker import MLflowTracker, replay

__all__ = ["ConsoleTracker", "MLflowTracker", "Tracker", "Trackers", "local_uri", "replay"]


def __getattr__(name: str) -> object:
    if name in ("MLflowTracker", "replay"):
        from mrdib_graph.tracking import mlflow_tracker

        return getattr(mlflow_tracker, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
