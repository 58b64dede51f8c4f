"""``mrdib-graph list``: the names that flags accept."""

from __future__ import annotations

import argparse

from mrdib_graph.cli.exports import KINDS, exported
from mrdib_graph.cli.parser import table


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument("kind", metavar="KIND", choices=KINDS, help=", ".join(KINDS))


def command(args: argparse.Namespace) -> list[str]:
    """Names and what they are, one a line."""
    lines = table(list(exported(args.kind).items()))
    if args.kind == "arms":
        lines.append("Any name with -late after it: the same on late fusion of the modalities.")
    if args.kind != "splits":
        lines.append("Or a class of your own: file.py:Class.")
    return lines
