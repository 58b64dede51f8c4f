"""How a script of this folder starts and how it fails."""

from __future__ import annotations

import sys
from collections.abc import Callable

from mrdib_graph.errors import MRdIBError


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
