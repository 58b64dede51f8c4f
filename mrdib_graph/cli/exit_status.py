"""How every command ends: an exit status, and one line on standard error where something failed."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence

from mrdib_graph.errors import MRdIBError

INTERRUPTED = 130


def exit_status(main: Callable[[list[str]], object], argv: Sequence[str] | None = None) -> int:
    """Call a command with its arguments, and say in one line what went wrong.

    ``--debug`` among the arguments shows the traceback; it is taken out before the command reads
    them.

    Args:
        main: The command.
        argv: Its arguments; those of this process for None.

    Returns:
        0 done, 2 wrong flag or setting, 3 bad data, 130 interrupted, 1 anything else.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = [word for word in given if word != "--debug"]
    process = int(os.environ.get("RANK", "0"))  # of torchrun
    who = f"error in process {process}" if process else "error"
    try:
        main(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt as stop:
        print(str(stop) or "interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as head, has enough; silence the flush at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if len(arguments) < len(given):
            traceback.print_exc()
        text = " ".join(str(error).split())
        if isinstance(error, MRdIBError):
            print(f"{who}: {text}", file=sys.stderr)
            return error.exit_status
        print(f"{who}: {type(error).__name__}: {text} (--debug shows where)", file=sys.stderr)
        return 1
    return 0
