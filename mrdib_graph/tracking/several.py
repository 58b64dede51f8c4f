"""Several trackers behind one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from mrdib_graph.tracking.tracker import Status, Tracker

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


class Trackers(Tracker):
    """Forward every call to each of the given trackers, in order.

    Args:
        trackers: The trackers that are told.
    """

    def __init__(self, *trackers: Tracker) -> None:
        self.trackers = trackers

    @override
    def start_run(
        self,
        name: str,
        *,
        params: Mapping[str, object] = {},
        tags: Mapping[str, str] = {},
        description: str = "",
    ) -> None:
        for tracker in self.trackers:
            tracker.start_run(name, params=params, tags=tags, description=description)

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        for tracker in self.trackers:
            tracker.log_metrics(metrics, step)

    @override
    def log_params(self, params: Mapping[str, object]) -> None:
        for tracker in self.trackers:
            tracker.log_params(params)

    @override
    def set_tags(self, tags: Mapping[str, str]) -> None:
        for tracker in self.trackers:
            tracker.set_tags(tags)

    @override
    def set_description(self, markdown: str) -> None:
        for tracker in self.trackers:
            tracker.set_description(markdown)

    @override
    def log_figure(self, figure: Figure, path: str) -> None:
        for tracker in self.trackers:
            tracker.log_figure(figure, path)

    @override
    def log_table(self, frame: DataFrame, path: str) -> None:
        for tracker in self.trackers:
            tracker.log_table(frame, path)

    @override
    def log_text(self, text: str, path: str) -> None:
        for tracker in self.trackers:
            tracker.log_text(text, path)

    @override
    def log_artifact(self, path: Path, folder: str = "") -> None:
        for tracker in self.trackers:
            tracker.log_artifact(path, folder)

    @override
    def log_dataset(
        self, name: str, digest: str, source: str, profile: Mapping[str, object]
    ) -> None:
        for tracker in self.trackers:
            tracker.log_dataset(name, digest, source, profile)

    @override
    def log_model(
        self, bundle: Path, name: str = "recommender", *, users: Sequence[str] = ()
    ) -> None:
        for tracker in self.trackers:
            tracker.log_model(bundle, name, users=users)

    @override
    def end_run(self, status: Status = "finished") -> None:
        for tracker in self.trackers:
            tracker.end_run(status)

    @override
    def close(self) -> None:
        for tracker in self.trackers:
            tracker.close()
