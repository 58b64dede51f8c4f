"""A bundle as an MLflow pyfunc model: user ids in, ranked items out, over HTTP if wanted.

Imported only where MLflow is used.  ``mlflow.pyfunc.log_model(name=..., **pyfunc_options(folder))``
logs a bundle; ``mlflow models serve --env-manager local --host 127.0.0.1 -m URI`` serves it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from annotated_types import Interval
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

from mrdib_graph.errors import ConfigError
from mrdib_graph.options import check_options
from mrdib_graph.serving.bundle import Bundle
from mrdib_graph.serving.storage import USER_IDS

MAX_USERS = 10_000
"""Users in one request."""
MAX_K = 1_000
MAX_ANSWERS = 1_000_000
"""Users times k in one request: about 100 MB of JSON."""

_ANSWER = {
    "user": DataType.string,
    "item": DataType.string,
    "name": DataType.string,
    "rank": DataType.long,
    "score": DataType.double,
}
SIGNATURE = ModelSignature(
    Schema([ColSpec(DataType.string, "user")]),
    Schema([ColSpec(kind, name, required=name != "name") for name, kind in _ANSWER.items()]),
    ParamSchema(
        [ParamSpec("k", DataType.long, 10), ParamSpec("exclude_seen", DataType.boolean, True)]
    ),
)


def pyfunc_options(bundle_folder: str | Path) -> dict[str, Any]:
    """Arguments of ``mlflow.pyfunc.log_model`` and ``save_model`` for a bundle.

    The model is stored as code, so loading it unpickles nothing; the requirements are given, so
    MLflow does not load the model in another process to find them.
    """
    import mlflow
    import torch

    from mrdib_graph.version import __version__

    first_user = json.loads((Path(bundle_folder) / USER_IDS).read_text(encoding="utf-8"))[0]
    return {
        "python_model": str(Path(__file__).with_name("mlflow_entry.py")),
        "artifacts": {"bundle": str(bundle_folder)},
        "signature": SIGNATURE,
        "input_example": pd.DataFrame({"user": [first_user]}),
        "pip_requirements": [
            f"mrdib-graph=={__version__}",
            f"mlflow=={mlflow.__version__}",
            f"torch=={torch.__version__.split('+')[0]}",
        ],
    }


class RecommenderModel(PythonModel):
    """Answers a data frame of user ids with ranked items.

    Nonsense is refused with an ``MlflowException`` of code ``INVALID_PARAMETER_VALUE``, which the
    scoring server sends as status 400 with the reason.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Read the bundle that was logged as the artifact ``bundle``."""
        self.bundle = Bundle.load(context.artifacts["bundle"])

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Recommend to each user of a request.

        Args:
            context: Not used; MLflow passes it.
            model_input: A column ``user`` of ids as text or whole numbers.
            params: ``k`` (10) and ``exclude_seen`` (True).

        Returns:
            Columns ``user``, ``item``, ``name`` (None without names), ``rank``, ``score``: up to k
            rows for each row of the request, in its order.

        Raises:
            MlflowException: A column or parameter is unknown or of the wrong type, a user is
                unknown, k is out of range, or the request is larger than the caps of this module.
        """
        try:
            users = _users(model_input)
            check_options(_answer, params or {}, "params")
            k, exclude_seen = _answer(**(params or {}))
            if len(users) * k > MAX_ANSWERS:
                raise ConfigError(
                    f"request: {len(users)} users times k = {k} is above {MAX_ANSWERS}; split it"
                )
            answers = self.bundle.recommend_batch(users, k, exclude_seen)
        except ConfigError as error:
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from error
        rows = [
            (str(user), item, name, rank, score)
            for user, ranked in zip(users, answers, strict=True)
            for item, name, score, rank in ranked
        ]
        frame = pd.DataFrame(rows, columns=list(_ANSWER))
        return frame.astype({"rank": "int64", "score": "float64", "name": "object"})


def _users(model_input: object) -> list[Any]:
    if not isinstance(model_input, pd.DataFrame):
        raise ConfigError(
            f"request: got {type(model_input).__name__}, expected a data frame with a column 'user'"
        )
    columns = [str(column) for column in model_input.columns]
    if columns != ["user"]:
        raise ConfigError(f"request: the columns are {columns[:10]}, expected only 'user'")
    if not 1 <= len(model_input) <= MAX_USERS:
        raise ConfigError(f"request: got {len(model_input)} users, expected 1 to {MAX_USERS}")
    return model_input["user"].tolist()


def _answer(
    k: Annotated[int, Interval(ge=1, le=MAX_K)] = 10, exclude_seen: bool = True
) -> tuple[int, bool]:
    """The parameters of a request, with their ranges and defaults."""
    return k, exclude_seen
