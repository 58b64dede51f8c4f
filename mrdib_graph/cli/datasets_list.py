"""``mrdib-graph datasets list``: as ``mrdib-graph list datasets``."""

from __future__ import annotations

import argparse

from mrdib_graph.cli import list as names


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The command has none of its own."""
    parser.set_defaults(kind="datasets")


command = names.command
