"""Several trackers behind one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mrdib_graph.tracking.tracker import Tracker


class Trackers(Tracker):
    """Forward every call to each of the given trackers, in order.

    Args:
        trackers: The trackers that are told.
    """

    def __init__(self, *trackers: Tracker) -> None:
        self.trackers = trackers


def _tell_all(method: str) -> Callable[..., None]:
    def tell(self: Trackers, *args: Any, **kwargs: Any) -> None:
        for tracker in self.trackers:
            getattr(tracker, method)(*args, **kwargs)

    return tell


for _method in [name for name in vars(Tracker) if not name.startswith("_")]:
    setattr(Trackers, _method, _tell_all(_method))
