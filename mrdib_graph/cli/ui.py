"""``mrdib-graph ui``: the MLflow UI on a run's database."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from mrdib_graph.errors import ConfigError, DataError

DATABASE = "mlflow.db"
HOST = "127.0.0.1"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument(
        "--runs",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="a run's folder, or a folder of runs, of which the newest is shown (default runs)",
    )
    parser.add_argument(
        "--port", type=int, default=5000, metavar="N", help="port to listen on (default 5000)"
    )


def command(args: argparse.Namespace) -> Iterator[str]:
    """Say where the UI will be, and become it."""
    program, lines = mlflow_command(args.runs, args.port)
    yield from lines
    os.execv(program[0], program)


def find_database(runs: Path) -> Path:
    """The absolute path of a run's database, or of the newest one in a folder of runs.

    Raises:
        DataError: There is none.
    """
    if runs.suffix == ".db" and runs.is_file():
        return runs.resolve()
    if (runs / DATABASE).is_file():
        return (runs / DATABASE).resolve()
    found = sorted(runs.glob(f"*/{DATABASE}"), key=lambda path: (path.stat().st_mtime, path))
    if not found:
        raise DataError(
            f"{runs}: neither this folder nor one below it holds {DATABASE}: give the folder that "
            "a run wrote with --out, or make a run with  mrdib-graph run"
        )
    return found[-1].resolve()


def mlflow_command(runs: Path, port: int) -> tuple[list[str], list[str]]:
    """The command line that starts the UI, and the lines to print before it starts.

    Args:
        runs: A run's folder, a folder of runs, or a database file.
        port: 1 to 65535, free.

    Raises:
        ConfigError: The port is out of range or taken.
        DataError: There is no database.
    """
    if not 1 <= port <= 65535:
        raise ConfigError(f"--port: got {port}, expected 1 to 65535")
    database = find_database(runs)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigError(
                f"--port: {port} on {HOST} cannot be used ({error.strerror}): choose another"
            ) from error
    uri = f"sqlite:///{database.as_posix()}"
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri]
    command += ["--default-artifact-root", (database.parent / "artifacts").as_uri()]
    command += ["--host", HOST, "--port", str(port), "--workers", "1"]
    return command, [f"tracking URI: {uri}", f"MLflow UI: http://{HOST}:{port}  (Ctrl-C stops it)"]
