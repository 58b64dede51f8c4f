"""Log runs to MLflow; an outage of the server never ends a run.  Imports mlflow."""

from __future__ import annotations

import contextlib
import getpass
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from mrdib_graph.errors import ConfigError
from mrdib_graph.tracking import limits
from mrdib_graph.tracking.delivery import Delivery, logger
from mrdib_graph.tracking.mlflow_writer import MLflowWriter
from mrdib_graph.tracking.outbox import Event, Outbox
from mrdib_graph.tracking.tracker import Status, Tracker
from mrdib_graph.tracking.uri import artifact_location_beside, check_uri, outbox_beside

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

NOTE = "mlflow.note.content"


class MLflowTracker(Tracker):
    """A tracker for an MLflow server or database.

    Runs nest by MLflow's parent tag.  Each call to :meth:`log_metrics` is one request.  While the
    server is away or a database is locked, calls go to a folder of JSON lines and are replayed in
    order, without duplicates, when it is back; what is left at :meth:`close` stays there for
    :func:`replay`.  ``@`` in a metric's name becomes ``_at_``, since MLflow refuses it.

    Args:
        uri: ``sqlite:////absolute/path/mlflow.db`` (see :func:`mrdib_graph.tracking.local_uri`) or
            the address of a server.
        experiment: Name of the experiment: ``mrdib/<dataset>``.
        artifact_location: Where a new experiment keeps its files; the folder ``artifacts`` beside
            a SQLite database, and the server's own default otherwise.
        outbox: Folder for events that wait; ``mlflow-outbox`` beside a SQLite database or in the
            current folder.

    Raises:
        ConfigError: The URI is none that MLflow can track to.
    """

    def __init__(
        self,
        uri: str,
        experiment: str,
        artifact_location: str | None = None,
        *,
        outbox: Path | None = None,
    ) -> None:
        check_uri(uri)
        location = artifact_location or artifact_location_beside(uri)
        header = {"uri": uri, "experiment": experiment, "artifact_location": location}
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}"
        self._outbox = Outbox((outbox or outbox_beside(uri)).absolute() / name, header)
        self._delivery = Delivery(MLflowWriter(uri, experiment, location), self._outbox, uri)
        self._uri = uri
        self._open: list[str] = []

    @override
    def start_run(
        self,
        name: str,
        *,
        params: Mapping[str, object] = {},
        tags: Mapping[str, str] = {},
        description: str = "",
    ) -> None:
        parent = self._open[-1] if self._open else None
        self._open.append(uuid.uuid4().hex)
        all_tags = {**_origin(), **limits.clean_tags(tags)}
        if description:
            all_tags[NOTE] = limits.cut(description, limits.MAX_TAG)
        values = limits.flatten(params)
        self._send("start", {"name": name, "parent": parent, "tags": all_tags, "values": values})

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        values = {limits.clean_name(name): float(value) for name, value in metrics.items()}
        self._send("metrics", {"values": values, "step": step or 0})

    @override
    def log_params(self, params: Mapping[str, object]) -> None:
        self._send("params", {"values": limits.flatten(params)})

    @override
    def set_tags(self, tags: Mapping[str, str]) -> None:
        self._send("tags", {"values": limits.clean_tags(tags)})

    @override
    def set_description(self, markdown: str) -> None:
        self._send("tags", {"values": {NOTE: limits.cut(markdown, limits.MAX_TAG)}})

    @override
    def log_figure(self, figure: Figure, path: str) -> None:
        with self._new_file(path) as file:
            figure.savefig(file, dpi=150, bbox_inches="tight")

    @override
    def log_table(self, frame: DataFrame, path: str) -> None:
        with self._new_file(path, table=True) as file:
            if file.suffix == ".json":
                frame.to_json(file, orient="split", index=False, date_format="iso")
            elif file.suffix == ".csv":
                frame.to_csv(file, index=False)
            else:
                raise ConfigError(f"log_table: path '{path}' must end in .csv or .json")

    @override
    def log_text(self, text: str, path: str) -> None:
        with self._new_file(path) as file:
            file.write_text(text, encoding="utf-8")

    @override
    def log_artifact(self, path: Path, folder: str = "") -> None:
        self._send_file(path.absolute(), folder)

    @override
    def log_dataset(
        self, name: str, digest: str, source: str, profile: Mapping[str, object]
    ) -> None:
        body = {
            "name": limits.cut(name, limits.MAX_DATASET_NAME),
            "digest": digest[: limits.MAX_DATASET_DIGEST],
            "source_type": "http" if source.startswith(("http://", "https://")) else "local",
            "source": limits.json_text({"uri": source}),
            "profile": limits.json_text(profile),
        }
        self._send("dataset", body)

    @override
    def log_model(
        self, bundle: Path, name: str = "recommender", *, users: Sequence[str] = ()
    ) -> None:
        self._send("model", {"name": name, "users": list(users)}, bundle.absolute())

    @override
    def end_run(self, status: Status = "finished") -> None:
        self._send("end", {"status": status.upper()})
        self._open.pop()

    @override
    def close(self) -> None:
        while self._open:
            self.end_run("killed")
        if not self._delivery.flush():
            file, uri = self._outbox.file, self._uri
            logger.warning(
                f"tracking: {len(self._outbox.events)} events did not reach {uri} and are in "
                f'{file}; send them with  python -c "from mrdib_graph.tracking import replay; '
                f"replay('{file}', '{uri}')\""
            )

    @contextlib.contextmanager
    def _new_file(self, path: str, table: bool = False) -> Iterator[Path]:
        """A file to write to, sent to a relative path when the block ends."""
        target = PurePosixPath(path)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / target.name
            yield file
            self._send_file(file, str(target.parent), table)

    def _send_file(self, file: Path, folder: str, table: bool = False) -> None:
        self._send("artifact", {"folder": "" if folder == "." else folder, "table": table}, file)

    def _send(self, op: str, body: dict[str, Any], file: Path | None = None) -> None:
        if not self._open:
            raise ConfigError(f"tracker: '{op}' came while no run is open; call start_run first")
        now = time.time_ns() // 1_000_000
        name = None if file is None else str(file)
        self._delivery.send(Event(op, self._open[-1], now, body, name))


def replay(path: str | Path, uri: str | None = None) -> int:
    """Send the events that a run could not deliver.

    Args:
        path: The outbox folder or its ``events.jsonl``, as named in the warning.
        uri: Where to send them; the URI that the run used if None.

    Returns:
        How many events were sent; those that were not stay in the file.

    Raises:
        DataError: The file is absent or damaged.
        ConfigError: The URI is none that MLflow can track to.
    """
    outbox = Outbox.load(Path(path).absolute())
    target = uri or str(outbox.header["uri"])
    check_uri(target)
    location = outbox.header["artifact_location"]
    if target != outbox.header["uri"]:
        location = artifact_location_beside(target)
    writer = MLflowWriter(target, str(outbox.header["experiment"]), location)
    waiting = len(outbox.events)
    Delivery(writer, outbox, target).flush()
    return waiting - len(outbox.events)


def _origin() -> dict[str, str]:
    """What MLflow's list of runs shows as user and source."""
    try:
        user = getpass.getuser()
    except (ImportError, KeyError, OSError):  # an id without a name, as in some containers
        user = "unknown"
    source = limits.cut(sys.argv[0] or "<console>", limits.MAX_TAG)
    return {"mlflow.user": user, "mlflow.source.name": source, "mlflow.source.type": "LOCAL"}
