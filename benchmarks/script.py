"""How a script of this folder starts, how it fails, and what its flags and files share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from mrdib_graph.atomic_file import write_text
from mrdib_graph.errors import ConfigError, MRdIBError

Number = TypeVar("Number", int, float)


def start(main: Callable[[list[str]], object]) -> None:
    """Run a script on the command line's arguments.

    An error of the library ends it with one line on stderr and the error's own exit status;
    anything else is a bug and keeps its traceback.
    """
    try:
        main(sys.argv[1:])
    except MRdIBError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(error.exit_status)


def numbers(text: str, flag: str) -> list[float]:
    """A comma list of numbers.

    Raises:
        ConfigError: It is none.
    """
    return _list(text, flag, float, "numbers, as 0,0.5")


def seeds_of(text: str, flag: str) -> list[int]:
    """A comma list of seeds: a seed that is there twice would count twice in every test.

    Raises:
        ConfigError: It is none.
    """
    return _list(text, flag, int, "whole numbers, as 1,2,3")


def _list(text: str, flag: str, kind: type[Number], expected: str) -> list[Number]:
    try:
        found = [kind(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(f"{flag}: got '{text}', expected {expected}") from error
    if len(set(found)) < len(found):
        raise ConfigError(f"{flag}: got '{text}', which names one twice")
    return found


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write results, never half a file; the folder is made where it is not there.

    Raises:
        DataError: It cannot be written.
    """
    write_text(path, json.dumps(content, indent=2) + "\n")
