"""Add files to a run that has ended; imports mlflow."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mrdib_graph.errors import DataError
from mrdib_graph.tracking.uri import check_uri


def attach_files(
    uri: str,
    experiment: str,
    run: str,
    files: Sequence[Path],
    folder: str,
    digest: str | None = None,
) -> str:
    """Log files to the newest run of a name that is no other run's child; its id.

    Args:
        uri: Tracking URI.
        experiment: Name of the experiment, ``mrdib/<dataset>``.
        run: Name of the run.
        files: What to log.
        folder: Folder within the run's artifacts.
        digest: Digest of the run's data, to tell runs of one name apart.

    Raises:
        ConfigError: The URI is none that MLflow can track to.
        DataError: There is no such run, or the files do not get there.
    """
    check_uri(uri)
    importlib.import_module("mrdib_graph.tracking.mlflow_writer")  # sets what mlflow reads

    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    try:
        client = MlflowClient(uri, registry_uri=uri)
        for known in _newest_first(client, experiment, run):
            tags = known.data.tags
            other_data = digest is not None and tags.get("dataset_digest", digest) != digest
            if other_data or MLFLOW_PARENT_RUN_ID in tags:
                continue
            for file in files:
                client.log_artifact(known.info.run_id, str(file), folder)
            return str(known.info.run_id)
    except (MlflowException, OSError) as error:
        raise DataError(f"tracking URI '{uri}': files cannot be logged: {error}") from error
    raise DataError(f"tracking URI '{uri}': no run named '{run}' in the experiment '{experiment}'")


def _newest_first(client: Any, experiment: str, run: str) -> list[Any]:
    known = client.get_experiment_by_name(experiment)
    if known is None:
        return []
    quote = '"' if "'" in run else "'"
    query = f"tags.`mlflow.runName` = {quote}{run}{quote}"
    return list(client.search_runs([known.experiment_id], query, order_by=["start_time DESC"]))
