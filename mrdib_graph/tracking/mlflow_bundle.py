"""Log a bundle as an MLflow pyfunc model of a run; imports mlflow."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import mlflow.pyfunc
import pandas
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model
from mlflow.tracking import MlflowClient

SERVED_BY = "mrdib_graph.serving.mlflow_model"
"""The module that answers requests.  Named, not imported: serving is a layer above tracking."""


def log_bundle(
    client: MlflowClient,
    experiment_id: str,
    run_id: str,
    bundle: Path,
    name: str,
    users: Sequence[str] = (),
) -> None:
    """Log a bundle as a model of a run.

    These are the steps of ``mlflow.pyfunc.log_model``, which works on the globally active run and
    makes another model when it is repeated.  Here a complete model of the same name is left as it
    is, and what an interrupted call left behind is deleted.

    Args:
        client: A client of the server.
        experiment_id: The experiment of the run.
        run_id: The run.
        bundle: Folder of a bundle.
        name: Name of the model within the run.
        users: Example user ids; the first of the bundle if none are given.
    """
    options = importlib.import_module(SERVED_BY).pyfunc_options(bundle)
    if users:
        options["input_example"] = pandas.DataFrame({"user": list(users)})
    earlier = client.search_logged_models(
        [experiment_id], f"source_run_id = '{run_id}' AND name = '{name}'"
    )
    if any(model.status == LoggedModelStatus.READY for model in earlier):
        return
    for model in earlier:
        client.delete_logged_model(model.model_id)
    model = client.create_logged_model(experiment_id, name, source_run_id=run_id)
    about = Model(
        artifact_path=model.artifact_location,
        model_uuid=model.model_id,
        run_id=run_id,
        model_id=model.model_id,
    )
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder) / "model")
        mlflow.pyfunc.save_model(target, mlflow_model=about, **options)
        client.log_model_artifacts(model.model_id, target)
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
