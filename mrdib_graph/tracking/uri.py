"""Tracking URIs: which ones work, and what lies beside a local database."""

from __future__ import annotations

from pathlib import Path

from mrdib_graph.errors import ConfigError

SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https", "databricks")


def local_uri(folder: Path) -> str:
    """The URI of the database ``mlflow.db`` in a folder, absolute."""
    return f"sqlite:///{(folder / 'mlflow.db').absolute().as_posix()}"


def check_uri(uri: str) -> None:
    """Refuse a tracking URI that MLflow cannot track to.

    Raises:
        ConfigError: The scheme is unknown; a plain folder is a common mistake.
    """
    scheme = uri.partition(":")[0].partition("+")[0]
    if ":" not in uri and uri != "databricks" or scheme not in SCHEMES:
        raise ConfigError(
            f"tracking URI '{uri}': expected sqlite:////absolute/path/mlflow.db, a database "
            f"({', '.join(SCHEMES[1:4])}) or http(s)://host:port; MLflow 3 has no folder store"
        )


def artifact_location_beside(uri: str) -> str | None:
    """The folder ``artifacts`` beside a SQLite database, as a URI; None for any other store."""
    folder = _folder_of(uri)
    return None if folder is None else (folder / "artifacts").as_uri()


def outbox_beside(uri: str) -> Path:
    """Where events wait by default: beside a SQLite database, else in the current folder."""
    return (_folder_of(uri) or Path.cwd()) / "mlflow-outbox"


def _folder_of(uri: str) -> Path | None:
    if not uri.startswith("sqlite:///"):
        return None
    return Path(uri.removeprefix("sqlite:///")).absolute().parent
