"""What a tracker can be told, and the tracker that keeps nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

Status = Literal["finished", "failed", "killed"]
"""How a run ended."""


class Tracker:
    """Base of all trackers: every method does nothing, so a subclass implements what it can show.

    Runs nest: a run that starts while another is open is its child.  Everything else belongs to
    the innermost open run.
    """

    def start_run(
        self,
        name: str,
        *,
        params: Mapping[str, object] = {},
        tags: Mapping[str, str] = {},
        description: str = "",
    ) -> None:
        """Open a run, as a child of the run that is open now, if there is one.

        Args:
            name: Name of the run, as shown in lists.
            params: Settings; mappings inside are flattened to names with dots.
            tags: Short texts to filter by.
            description: Markdown.
        """

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log values by name; ``step`` is the epoch, None for a value without a curve."""

    def log_params(self, params: Mapping[str, object]) -> None:
        """Log settings; mappings inside are flattened to names with dots."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set or replace tags."""

    def set_description(self, markdown: str) -> None:
        """Set or replace the description of the run."""

    def log_figure(self, figure: Figure, path: str) -> None:
        """Keep a figure under a relative path whose suffix says the format: figures/a.png."""

    def log_table(self, frame: DataFrame, path: str) -> None:
        """Keep a table under a relative path that ends in .csv or .json."""

    def log_text(self, text: str, path: str) -> None:
        """Keep a text under a relative path."""

    def log_artifact(self, path: Path, folder: str = "") -> None:
        """Keep a file, or a folder with all that it holds, inside the given folder of the run."""

    def log_dataset(
        self, name: str, digest: str, source: str, profile: Mapping[str, object]
    ) -> None:
        """Say which data the run reads.

        Args:
            name: Name of the data set.
            digest: Hash of its content.
            source: Folder or address that it was read from.
            profile: Counts: users, items, interactions.
        """

    def log_model(
        self, bundle: Path, name: str = "recommender", *, users: Sequence[str] = ()
    ) -> None:
        """Keep a trained recommender, so that it can be registered, loaded and served.

        Args:
            bundle: Folder of a :class:`mrdib_graph.serving.Bundle`.
            name: Name of the model within the run.
            users: User ids of the bundle to store as an example of the input; the first one if
                none are given.
        """

    def end_run(self, status: Status = "finished") -> None:
        """End the innermost open run."""

    def close(self) -> None:
        """End what is still open as killed and hand over everything that waits."""
