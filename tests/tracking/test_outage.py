"""A real MLflow server on loopback that is killed and started again while a run logs to it."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from matplotlib.figure import Figure

from mrdib_graph.tracking import MLflowTracker, delivery, replay

pytestmark = pytest.mark.slow
EPOCHS = 30


class Server:
    """``mlflow server`` on one port over one database, started and killed at will."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{self.folder}/server.db"]
        command += ["--artifacts-destination", str(self.folder / "files")]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **quiet},
                start_new_session=True,
            )
        deadline = time.monotonic() + 120
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                pytest.fail((self.folder / "server.log").read_text())
            time.sleep(0.2)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=30)
            self.process = None


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def running(server: Server) -> Iterator[Server]:
    if server.process is None:
        server.start()
    yield server


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch) -> None:
    monkeypatch.setattr(delivery, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(delivery, "LONGEST_PAUSE", 0.2)


def train(server: Server, experiment: str, box: Path, kill_at: int = -1, back_at: int = -1) -> None:
    """Two arms in one command; the server may go and come between epochs of the second."""
    tracker = MLflowTracker(server.uri, experiment, outbox=box)
    tracker.start_run("command", params={"epochs": EPOCHS})
    tracker.start_run("bare")
    tracker.log_metrics({"loss": 9.0}, 0)
    tracker.end_run()
    tracker.start_run("mrdib", tags={"arm": "mrdib"})
    for epoch in range(EPOCHS):
        if epoch == kill_at:
            server.kill()
        if epoch == back_at:
            server.start()
            time.sleep(0.3)
        tracker.log_metrics({"loss": 1 / (epoch + 1), "val/recall@20": 0.01 * epoch}, epoch)
        if epoch == EPOCHS // 2:
            figure = Figure()
            figure.subplots().plot([0, epoch])
            tracker.log_figure(figure, "figures/curves.png")
            tracker.start_run("trial", params={"k": 3})
            tracker.log_metrics({"loss": 5.0}, 0)
            tracker.end_run("failed")
    tracker.end_run()
    tracker.end_run()
    tracker.close()


def found(server: Server, experiment: str) -> dict:
    """Everything about an experiment but ids and times."""
    client = mlflow.MlflowClient(server.uri)
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    names = {run.info.run_id: run.info.run_name for run in runs}
    assert len(set(names.values())) == len(runs)
    return {
        run.info.run_name: {
            "status": run.info.status,
            "parent": names.get(run.data.tags.get("mlflow.parentRunId")),
            "params": run.data.params,
            "arm": run.data.tags.get("arm"),
            "curves": {
                name: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)]
                for name in run.data.metrics
            },
            "figures": [f.path for f in client.list_artifacts(run.info.run_id, "figures")],
        }
        for run in runs
    }


@pytest.fixture(scope="module")
def expected(server: Server, tmp_path_factory) -> dict:
    train(server, "undisturbed", tmp_path_factory.mktemp("box"))
    result = found(server, "undisturbed")
    curve = [(epoch, 1 / (epoch + 1)) for epoch in range(EPOCHS)]
    assert result["mrdib"]["curves"]["loss"] == curve
    assert result["mrdib"]["figures"] == ["figures/curves.png"]
    assert result["trial"]["parent"] == "mrdib"
    assert result["mrdib"]["parent"] == "command"
    return result


def test_killed_and_started_again_in_the_middle_of_a_run(
    expected, running: Server, tmp_path: Path, caplog
) -> None:
    train(running, "interrupted", tmp_path / "box", kill_at=10, back_at=20)
    assert found(running, "interrupted") == expected
    assert not list((tmp_path / "box").glob("*"))
    assert caplog.text.count("does not take events") == 1


def test_away_from_the_middle_to_the_end_and_replayed_later(
    expected, running: Server, tmp_path: Path, capfd
) -> None:
    started = time.monotonic()
    train(running, "replayed", tmp_path / "box", kill_at=10)
    assert time.monotonic() - started < 60
    [left] = (tmp_path / "box").glob("*/events.jsonl")
    assert replay(left) == 0  # still away: nothing is sent, nothing is lost
    running.start()
    assert replay(left) > 20
    assert found(running, "replayed") == expected
    assert not left.exists()
    assert capfd.readouterr().out == ""


def test_away_from_the_start(expected, running: Server, tmp_path: Path) -> None:
    running.kill()
    train(running, "late", tmp_path / "box", back_at=5)
    assert found(running, "late") == expected


def test_a_server_that_accepts_and_never_answers_does_not_stall_a_run(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        tracker = MLflowTracker(uri, "mrdib/planted", outbox=tmp_path)
        started = time.monotonic()
        tracker.start_run("run")
        for epoch in range(1000):
            tracker.log_metrics({"loss": 1.0}, epoch)
        tracker.end_run()
        tracker.close()
        assert time.monotonic() - started < 60  # one try at the start and one at the end
    [left] = tmp_path.glob("*/events.jsonl")
    assert len(left.read_text().splitlines()) == 1 + 1002
