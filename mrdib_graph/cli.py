"""The console script ``mrdib-graph``: recommend, explain, look at data sets, start the UI.

Everything heavy is imported inside the command that needs it, so ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from mrdib_graph.cli_convert import add_flags as add_convert_flags
from mrdib_graph.cli_datasets import add_check_flags, add_describe_flags
from mrdib_graph.cli_encode import add_flags as add_encode_flags
from mrdib_graph.cli_explain import add_flags as add_explain_flags
from mrdib_graph.cli_fetch import add_flags as add_fetch_flags
from mrdib_graph.errors import ConfigError, MRdIBError, suggest

INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    """A parser that raises the library's own error and names the nearest flag."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse flags that do not exist before argparse finds what else is missing."""
        for word in args if self._subparsers is None else ():
            flag = word.partition("=")[0]
            known = list(self._option_string_actions)
            if word == "--":
                break
            if flag.startswith("--") and flag not in known:
                self.error(f"the flag {flag} is unknown{suggest(flag, known)}")
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and leaving."""
        raise ConfigError(f"{message}\nSee: {self.prog} --help")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; ``args.command`` is the function to call."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks"
    )
    parser = _Parser(
        prog="mrdib-graph",
        allow_abbrev=False,
        description="Multimodal recommendation: recommend, explain, data sets, MLflow UI.",
        parents=[common],
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.set_defaults(command=_no_command)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)

    def add(to: Any, name: str, command: Callable[[argparse.Namespace], None], text: str) -> Any:
        made = to.add_parser(
            name, help=text, description=text, parents=[common], allow_abbrev=False
        )
        made.set_defaults(command=command)
        return made

    recommend = add(commands, "recommend", _recommend, "rank items for a user with a saved bundle")
    recommend.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="its folder")
    recommend.add_argument("--user", required=True, metavar="ID", help="id of the user")
    recommend.add_argument("--k", type=int, default=10, help="number of items (default 10)")
    recommend.add_argument(
        "--include-seen", action="store_true", help="also rank the user's training items"
    )
    recommend.add_argument("--format", choices=("table", "json"), default="table")

    explain = add(commands, "explain", _explain, "what each modality adds to a user's score")
    add_explain_flags(explain)

    ui = add(commands, "ui", _ui, "start the MLflow UI on 127.0.0.1 for the runs in a folder")
    ui.add_argument(
        "--runs",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="a run's folder, or a folder of runs, of which the newest is shown (default runs)",
    )
    ui.add_argument("--port", type=int, default=5000, help="port to listen on (default 5000)")

    datasets = commands.add_parser("datasets", help="list, fetch, describe and check data sets")
    datasets.set_defaults(command=_no_command)
    actions = datasets.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add(actions, "list", _datasets_list, "list the data sets by name")
    fetch = add(actions, "fetch", _datasets_fetch, "obtain a public data set and build its folder")
    add_fetch_flags(fetch)
    describe = add(actions, "describe", _datasets_describe, "counts, scale and oddities of data")
    add_describe_flags(describe)
    check = add(actions, "check", _datasets_check, "check a folder of interactions and features")
    add_check_flags(check)
    convert = add(actions, "convert", _datasets_convert, "convert raw files of a public format")
    add_convert_flags(convert)
    encode = add(actions, "encode", _datasets_encode, "make features of a folder's item texts")
    add_encode_flags(encode)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit status: 0 done, 2 wrong flag or setting, 3 bad data, 130 interrupted, 1 else.
        Errors are one or two lines on standard error, with a traceback only after ``--debug``.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        args = build_parser().parse_args(arguments)
        if args.version:
            from mrdib_graph.version import __version__

            print(f"mrdib-graph {__version__}")
        else:
            args.command(args)
        sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as head, has enough; silence the flush at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if "--debug" in arguments:
            raise
        kind = "error" if isinstance(error, MRdIBError) else f"error: {type(error).__name__}"
        print(f"mrdib-graph: {kind}: {error}", file=sys.stderr)
        return error.exit_status if isinstance(error, MRdIBError) else 1


def _no_command(_: argparse.Namespace) -> None:
    raise ConfigError("a command is missing\nSee: mrdib-graph --help")


def _recommend(args: argparse.Namespace) -> None:
    from mrdib_graph.serving import Bundle

    found = Bundle.load(args.bundle).recommend(args.user, args.k, not args.include_seen)
    if args.format == "json":
        print(json.dumps([item._asdict() for item in found], indent=2))
        return
    rows = [("rank", "item", "name", "score")]
    rows += [(str(r.rank), _line(r.item), _line(r.name or ""), f"{r.score:.4f}") for r in found]
    named = any(row[2] for row in rows[1:])
    columns = [column for column in range(4) if named or column != 2]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join(row[column].ljust(widths[column]) for column in columns).rstrip())


def _explain(args: argparse.Namespace) -> None:
    from mrdib_graph.cli_explain import explanation_lines

    for line in explanation_lines(args):
        print(_line(line))


def _line(text: str) -> str:
    """A text on one line: control characters, which could drive a terminal, are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _ui(args: argparse.Namespace) -> None:
    from mrdib_graph.cli_ui import mlflow_command

    command, lines = mlflow_command(args.runs, args.port)
    print("\n".join(lines), flush=True)
    os.execv(command[0], command)


def _datasets_list(_: argparse.Namespace) -> None:
    from mrdib_graph import datasets, resolver

    found = resolver.choices(datasets, datasets.MultimodalDataset)
    width = max((len(name) for name in found), default=0)
    for name, cls in sorted(found.items()):
        print(f"{name.ljust(width)}  {(cls.__doc__ or '').strip().splitlines()[0]}")


def _datasets_fetch(args: argparse.Namespace) -> None:
    from mrdib_graph.cli_datasets import count_lines
    from mrdib_graph.cli_fetch import fetch

    dataset, folder = fetch(args)
    for line in count_lines(dataset):
        print(_line(line))
    print(f"{'folder:':<14}{_line(str(folder))}")


def _datasets_describe(args: argparse.Namespace) -> None:
    from mrdib_graph.cli_datasets import describe_lines

    for line in describe_lines(args):
        print(_line(line))


def _datasets_check(args: argparse.Namespace) -> None:
    from mrdib_graph.cli_datasets import check_lines

    lines, error = check_lines(args)
    for line in lines:
        print(_line(line))
    if error is not None:
        raise error


def _datasets_convert(args: argparse.Namespace) -> None:
    from mrdib_graph.cli_convert import convert_lines

    for line in convert_lines(args):
        print(_line(line))


def _datasets_encode(args: argparse.Namespace) -> None:
    from mrdib_graph.cli_encode import encode_lines

    for line in encode_lines(args):
        print(_line(line))


if __name__ == "__main__":
    sys.exit(main())
