"""Apply tracker events to an MLflow server or database; imports mlflow."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TypeVar

# Set before mlflow is imported: it starts a telemetry thread and configures its loggers then.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

from filelock import FileLock
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import (
    MLFLOW_DATASET_CONTEXT,
    MLFLOW_LOGGED_ARTIFACTS,
    MLFLOW_PARENT_RUN_ID,
)

from mrdib_graph.tracking import limits
from mrdib_graph.tracking.delivery import RejectedError
from mrdib_graph.tracking.mlflow_bundle import log_bundle
from mrdib_graph.tracking.outbox import Event

logging.getLogger("alembic").setLevel(logging.WARNING)
# A failing database is reported by the tracker, once; this logger prints a traceback each time.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

_Item = TypeVar("_Item")

RUN_KEY = "mrdib.run_key"
"""Tag that names a run independently of the server, so that replaying finds it again."""

REFUSALS = {
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
}
LOCKED_PATIENCE = 15.0
"""Seconds for which a locked SQLite database is tried again before the event is kept for later."""


class MLflowWriter:
    """Write events through ``MlflowClient`` with explicit run ids: no global state of mlflow.

    Every operation can be repeated: runs are found by :data:`RUN_KEY`, metrics carry the time of
    the event (MLflow drops an equal metric), the rest overwrites.

    Args:
        uri: Tracking URI.
        experiment: Name of the experiment, created if absent.
        artifact_location: Where a new experiment keeps its files; the server's default if None.
    """

    def __init__(self, uri: str, experiment: str, artifact_location: str | None) -> None:
        self.uri = uri
        self.experiment = experiment
        self.artifact_location = artifact_location
        self._connected: tuple[MlflowClient, str] | None = None
        self._run_ids: dict[str, str] = {}

    def __call__(self, event: Event, path: Path | None) -> None:
        """Apply an event.

        Raises:
            RejectedError: Repeating is of no use.
        """
        give_up = time.monotonic() + LOCKED_PATIENCE
        while True:
            try:
                with _short_requests(60 if path is not None else 10):
                    getattr(self, f"_write_{event.op}")(event, path)
                return
            except MlflowException as error:
                if error.error_code in REFUSALS:
                    raise RejectedError(error.message) from error
                if "database is locked" not in str(error) or time.monotonic() > give_up:
                    raise
                time.sleep(0.05)
            except FileNotFoundError as error:
                raise RejectedError(f"{type(error).__name__}: {error}") from error
            except OSError:  # also the answers of a proxy that are no JSON, which are ValueErrors
                raise
            except (ImportError, TypeError, ValueError) as error:
                raise RejectedError(f"{type(error).__name__}: {error}") from error

    def _connect(self) -> tuple[MlflowClient, str]:
        """The client and the id of the experiment."""
        if self._connected is None:
            with _creation_lock(self.uri):
                client = MlflowClient(self.uri, registry_uri=self.uri)
                known = client.get_experiment_by_name(self.experiment)
                experiment_id = known.experiment_id if known else self._create_experiment(client)
            self._connected = client, str(experiment_id)
        return self._connected

    def _create_experiment(self, client: MlflowClient) -> str:
        try:
            return client.create_experiment(self.experiment, self.artifact_location)
        except MlflowException as error:
            known = client.get_experiment_by_name(self.experiment)
            if known is None or error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return str(known.experiment_id)  # another process was faster

    def _find(self, key: str) -> str | None:
        if key not in self._run_ids:
            client, experiment_id = self._connect()
            query = f"tags.`{RUN_KEY}` = '{key}'"
            for run in client.search_runs([experiment_id], query, max_results=1):
                self._run_ids[key] = run.info.run_id
        return self._run_ids.get(key)

    def _run(self, key: str) -> tuple[MlflowClient, str]:
        run_id = self._find(key)
        if run_id is None:
            raise RejectedError(f"the server has no run with the tag {RUN_KEY} = {key}")
        return self._connect()[0], run_id

    def _write_start(self, event: Event, _: Path | None) -> None:
        client, experiment_id = self._connect()
        if self._find(event.run) is None:
            tags = {**event.body["tags"], RUN_KEY: event.run}
            if event.body["parent"] is not None:
                tags[MLFLOW_PARENT_RUN_ID] = self._run(event.body["parent"])[1]
            name = event.body["name"]
            created = client.create_run(experiment_id, event.time, tags, run_name=name)
            self._run_ids[event.run] = created.info.run_id
        self._write_params(event, None)

    def _write_metrics(self, event: Event, _: Path | None) -> None:
        client, run_id = self._run(event.run)
        step = event.body["step"]
        values = event.body["values"].items()
        metrics = [Metric(name, value, event.time, step) for name, value in values]
        for some in _batches(metrics, limits.MAX_METRICS_PER_CALL):
            client.log_batch(run_id, metrics=some)

    def _write_params(self, event: Event, _: Path | None) -> None:
        client, run_id = self._run(event.run)
        params = [Param(name, value) for name, value in event.body["values"].items()]
        refused = []
        for some in _batches(params, limits.MAX_PARAMS_PER_CALL):
            try:
                client.log_batch(run_id, params=some)
            except MlflowException as error:
                if error.error_code not in REFUSALS:
                    raise
                refused += _one_by_one(client, run_id, some)
        if refused:
            raise RejectedError(f"parameters that were logged before: {', '.join(refused)}")

    def _write_tags(self, event: Event, _: Path | None) -> None:
        client, run_id = self._run(event.run)
        tags = [RunTag(name, value) for name, value in event.body["values"].items()]
        for some in _batches(tags, limits.MAX_PARAMS_PER_CALL):
            client.log_batch(run_id, tags=some)

    def _write_artifact(self, event: Event, path: Path | None) -> None:
        client, run_id = self._run(event.run)
        folder = event.body["folder"]
        client.log_artifact(run_id, str(path), folder or None)
        if path is not None and event.body["table"] and path.suffix == ".json":
            logged = client.get_run(run_id).data.tags.get(MLFLOW_LOGGED_ARTIFACTS, "[]")
            entry = {"path": str(PurePosixPath(folder) / path.name), "type": "table"}
            if entry not in (entries := json.loads(logged)):
                client.set_tag(run_id, MLFLOW_LOGGED_ARTIFACTS, json.dumps([*entries, entry]))

    def _write_dataset(self, event: Event, _: Path | None) -> None:
        client, run_id = self._run(event.run)
        dataset = Dataset(**event.body)
        client.log_inputs(
            run_id, [DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, "training")])]
        )

    def _write_model(self, event: Event, path: Path | None) -> None:
        assert path is not None
        client, run_id = self._run(event.run)
        experiment_id = self._connect()[1]
        log_bundle(client, experiment_id, run_id, path, event.body["name"], event.body["users"])

    def _write_end(self, event: Event, _: Path | None) -> None:
        client, run_id = self._run(event.run)
        # mlflow would print the address of each run to standard output
        with _environment({"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}):
            client.set_terminated(run_id, event.body["status"], event.time)


def _one_by_one(client: MlflowClient, run_id: str, params: list[Param]) -> list[str]:
    """Log parameters singly; the names of those that the server refuses."""
    refused = []
    for param in params:
        try:
            client.log_batch(run_id, params=[param])
        except MlflowException as error:
            if error.error_code not in REFUSALS:
                raise
            refused.append(param.key)
    return refused


def _creation_lock(uri: str) -> contextlib.AbstractContextManager[object]:
    """One process at a time makes the tables of a SQLite database: mlflow itself has no lock."""
    if not uri.startswith("sqlite:///"):
        return contextlib.nullcontext()
    path = Path(uri.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(f"{path}.lock", timeout=120)


def _short_requests(seconds: int) -> contextlib.AbstractContextManager[None]:
    """Bound the time of mlflow's requests, where the user did not; read at each request."""
    wanted = {
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(seconds),
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # repeating is the outbox's work
        "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": str(seconds),
    }
    return _environment({k: value for k, value in wanted.items() if k not in os.environ})


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables that mlflow reads, and put them back."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _batches(items: list[_Item], size: int) -> Iterator[list[_Item]]:
    """What one call may hold."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
