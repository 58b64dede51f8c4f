import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from mrdib_graph.cli.ui import find_database, mlflow_command
from mrdib_graph.errors import ConfigError, DataError


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def make_run(folder: Path, seconds: int) -> Path:
    folder.mkdir(parents=True)
    database = folder / "mlflow.db"
    database.touch()
    os.utime(database, (seconds, seconds))
    return database


def test_the_newest_run_is_found(tmp_path: Path, monkeypatch) -> None:
    old, new = make_run(tmp_path / "runs" / "b", 1_000), make_run(tmp_path / "runs" / "a", 2_000)
    assert find_database(tmp_path / "runs") == new
    assert find_database(tmp_path / "runs" / "b") == old
    assert find_database(old) == old
    monkeypatch.chdir(tmp_path)
    assert find_database(Path("runs")) == new


@pytest.mark.parametrize("name", [".", "absent", "other.db"])
def test_a_folder_without_runs_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"neither this folder nor one below it holds mlflow\.db"):
        find_database(tmp_path / name)


def test_the_command_binds_to_this_machine_only(tmp_path: Path) -> None:
    database, port = make_run(tmp_path / "a b", 1_000), free_port()
    command, lines = mlflow_command(tmp_path, port)
    assert command[:4] == [sys.executable, "-m", "mlflow", "ui"]
    options = dict(zip(command[4::2], command[5::2], strict=True))
    assert options["--host"] == "127.0.0.1"
    assert options["--port"] == str(port)
    assert options["--backend-store-uri"] == f"sqlite:///{database}"
    assert options["--default-artifact-root"] == (tmp_path / "a b" / "artifacts").as_uri()
    assert any(f"http://127.0.0.1:{port}" in line for line in lines)


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_a_port_that_does_not_exist_is_refused(tmp_path: Path, port: int) -> None:
    with pytest.raises(ConfigError, match=f"--port: got {port}, expected 1 to 65535"):
        mlflow_command(tmp_path, port)


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    make_run(tmp_path / "run", 1_000)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"{port} on 127.0.0.1 cannot be used"):
            mlflow_command(tmp_path, port)


@pytest.mark.slow
def test_the_ui_shows_the_experiments_of_the_database(tmp_path: Path) -> None:
    import mlflow

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    mlflow.MlflowClient(uri).create_experiment("mrdib/planted", (tmp_path / "artifacts").as_uri())
    port = free_port()
    command = [sys.executable, "-m", "mrdib_graph", "ui", "--runs", str(tmp_path)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=tmp_path,
        )
    try:
        end = time.monotonic() + 240
        while not (found := _experiments(port)):
            text = (tmp_path / "log").read_text()
            assert process.poll() is None and time.monotonic() < end, text
            time.sleep(0.5)
        assert "mrdib/planted" in found
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def _experiments(port: int) -> set[str]:
    address = f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search"
    try:
        answer = requests.post(address, json={"max_results": 10}, timeout=10)
    except requests.RequestException:
        return set()
    return {experiment["name"] for experiment in answer.json().get("experiments", [])}
