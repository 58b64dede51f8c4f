"""The library's exceptions: one family, an exit status each, and a message that helps."""

import pytest

from mrdib_graph import errors
from mrdib_graph.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    MissingExtraError,
    MRdIBError,
    TrainingError,
)


@pytest.mark.parametrize(
    ("error", "status"),
    [(ConfigError, 2), (DataError, 3), (TrainingError, 1), (CheckpointError, 1)],
)
def test_exit_status(error: type[MRdIBError], status: int) -> None:
    assert issubclass(error, MRdIBError) and error.exit_status == status


def test_every_exception_is_of_the_family() -> None:
    classes = [v for v in vars(errors).values() if isinstance(v, type)]
    assert len(classes) >= 6 and all(issubclass(c, MRdIBError) for c in classes)


def test_a_missing_package_says_how_to_get_it() -> None:
    error = MissingExtraError("faiss-cpu", "ann", "approximate search")
    assert str(error) == (
        "approximate search needs the package 'faiss-cpu': "
        "install it with  pip install 'mrdib-graph[ann]'"
    )
    assert error.exit_status == 1
