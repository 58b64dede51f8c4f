from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

from mrdib_graph.tracking import local_uri, mlflow_writer
from mrdib_graph.tracking.delivery import RejectedError
from mrdib_graph.tracking.mlflow_writer import RUN_KEY, MLflowWriter
from mrdib_graph.tracking.outbox import Event

START = Event("start", "key", 1_000, {"name": "r", "parent": None, "tags": {}, "values": {}})
METRICS = Event("metrics", "key", 2_000, {"values": {"loss": 0.5}, "step": 3})


@pytest.fixture(scope="module")
def uri(tmp_path_factory) -> str:
    return local_uri(tmp_path_factory.mktemp("store"))


def history(uri: str, experiment: str) -> list[tuple[int, int, float]]:
    client = mlflow.MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    [run] = client.search_runs([found.experiment_id])
    metrics = client.get_metric_history(run.info.run_id, "loss")
    return [(m.timestamp, m.step, m.value) for m in metrics]


def test_another_process_goes_on_with_a_run_and_repeats_nothing(uri: str) -> None:
    for _ in range(3):
        writer = MLflowWriter(uri, "again", None)
        writer(START, None)
        writer(METRICS, None)
    assert history(uri, "again") == [(2_000, 3, 0.5)]


def test_a_run_that_the_server_does_not_know_is_refused(uri: str) -> None:
    with pytest.raises(RejectedError, match=f"{RUN_KEY} = key"):
        MLflowWriter(uri, "unknown", None)(METRICS, None)


def test_a_file_that_is_gone_is_refused(uri: str, tmp_path: Path) -> None:
    writer = MLflowWriter(uri, "gone", str(tmp_path))
    writer(START, None)
    event = Event("artifact", "key", 3_000, {"folder": "", "table": False}, "x")
    with pytest.raises(RejectedError):
        writer(event, tmp_path / "absent.png")


def test_a_locked_database_is_tried_again(uri: str, monkeypatch) -> None:
    writer = MLflowWriter(uri, "locked", None)
    writer(START, None)
    client = writer._connect()[0]
    log_batch, failures = client.log_batch, []

    def locked_twice(*args, **kwargs) -> None:
        if len(failures) < 2:
            failures.append(1)
            raise MlflowException(
                "(sqlite3.OperationalError) database is locked", TEMPORARILY_UNAVAILABLE
            )
        log_batch(*args, **kwargs)

    monkeypatch.setattr(client, "log_batch", locked_twice)
    writer(METRICS, None)
    assert len(failures) == 2
    assert history(uri, "locked") == [(2_000, 3, 0.5)]


def test_a_database_that_stays_locked_is_given_up(uri: str, monkeypatch) -> None:
    monkeypatch.setattr(mlflow_writer, "LOCKED_PATIENCE", 0.1)
    writer = MLflowWriter(uri, "stays locked", None)
    writer(START, None)

    def locked(*args, **kwargs) -> None:
        raise MlflowException("database is locked", TEMPORARILY_UNAVAILABLE)

    monkeypatch.setattr(writer._connect()[0], "log_batch", locked)
    with pytest.raises(MlflowException, match="locked"):
        writer(METRICS, None)


@pytest.mark.parametrize("own", [None, "77"])
def test_requests_are_short_unless_the_user_says_otherwise(own: str | None, monkeypatch) -> None:
    name = "MLFLOW_HTTP_REQUEST_TIMEOUT"
    monkeypatch.delenv(name, raising=False)
    if own is not None:
        monkeypatch.setenv(name, own)
    with mlflow_writer._short_requests(10):
        assert mlflow.environment_variables.MLFLOW_HTTP_REQUEST_TIMEOUT.get() == int(own or 10)
        assert mlflow.environment_variables.MLFLOW_HTTP_REQUEST_MAX_RETRIES.get() == 0
    assert mlflow.environment_variables.MLFLOW_HTTP_REQUEST_TIMEOUT.get() == int(own or 120)


def test_telemetry_is_off() -> None:
    assert mlflow.environment_variables.MLFLOW_DISABLE_TELEMETRY.get()
