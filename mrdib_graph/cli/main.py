"""The console script ``mrdib-graph``.

A command is a module with ``add_flags(parser)`` and ``command(arguments)``, which gives the lines
to print.  Everything heavy is imported inside ``command``, so ``--help`` answers at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from mrdib_graph.cli import (
    completion,
    datasets_check,
    datasets_convert,
    datasets_describe,
    datasets_encode,
    datasets_fetch,
    datasets_list,
    explain,
    recommend,
    report,
    run,
    ui,
)
from mrdib_graph.cli import list as list_names
from mrdib_graph.cli.exit_status import exit_status
from mrdib_graph.cli.parser import Parser, one_line
from mrdib_graph.version import __version__

_COMMANDS = {
    "run": (run, "train backbones with several arms, compare them, write everything down"),
    "report": (report, "pictures of finished runs, and a page with them"),
    "recommend": (recommend, "rank items for a user with a saved bundle"),
    "explain": (explain, "what each modality adds to a user's score"),
    "list": (list_names, "names that the flags accept, with one line each"),
    "completion": (completion, "print what a shell needs to complete commands and flags"),
    "ui": (ui, "start the MLflow UI on 127.0.0.1 for the runs in a folder"),
}
_DATASETS = {
    "list": (datasets_list, "list the data sets by name"),
    "fetch": (datasets_fetch, "obtain a public data set and build its folder"),
    "describe": (datasets_describe, "counts, scale and oddities of data"),
    "check": (datasets_check, "check a folder of interactions and features"),
    "convert": (datasets_convert, "convert raw files of a public format"),
    "encode": (datasets_encode, "make features of a folder's item texts"),
}


def build_parser() -> Parser:
    """The parser of all commands; ``args.command`` is the function to call."""
    parser = Parser(
        prog="mrdib-graph",
        description="Multimodal recommendation on graphs with the MRdIB information bottleneck.",
    )
    version = f"mrdib-graph {__version__}"
    parser.add_argument("--version", action="version", version=version, help="print the version")
    commands = _add_commands(parser, _COMMANDS)
    text = "list, fetch, describe and check data sets"
    datasets = commands.add_parser("datasets", help=text, description=text)
    _add_commands(datasets, _DATASETS)
    return parser


def _add_commands(parser: Parser, modules: dict[str, tuple[ModuleType, str]]) -> Any:
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (module, text) in modules.items():
        made = commands.add_parser(name, help=text, description=text)
        module.add_flags(made)
        made.set_defaults(command=module.command)
    return commands


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is that of :func:`~mrdib_graph.cli.exit_status`."""
    return exit_status(_main, argv)


def _main(argv: list[str]) -> None:
    args = build_parser().parse_args(argv)
    for line in args.command(args):
        print(one_line(line), flush=True)
