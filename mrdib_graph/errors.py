"""The library's own exceptions: every error a user can cause is one of these.

A message names the argument or file, what came, what was expected and what to do.  The command line
turns each class into its exit status: 2 for a wrong flag or setting, 3 for bad data, 1 otherwise.
"""

from __future__ import annotations

import difflib


class MRdIBError(Exception):
    """Base class of all errors that the library raises on purpose."""

    exit_status = 1


class ConfigError(MRdIBError):
    """A flag, setting or argument is unknown, of the wrong type or out of range."""

    exit_status = 2


class DataError(MRdIBError):
    """A file, folder or graph does not hold what it must hold."""

    exit_status = 3


class MissingExtraError(MRdIBError):
    """An optional package is needed and absent."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}': "
            f"install it with  pip install 'mrdib-graph[{extra}]'"
        )


class TrainingError(MRdIBError):
    """Training cannot go on, for example since a loss is not finite."""


class CheckpointError(MRdIBError):
    """A checkpoint is missing, damaged or belongs to another run."""


def suggest(name: str, known: list[str]) -> str:
    """A sentence with the nearest name, or an empty string."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""
