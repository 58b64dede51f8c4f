"""The command line: ``mrdib-graph``, ``python -m mrdib_graph`` and what scripts take from it."""

from mrdib_graph.cli.exit_status import exit_status
from mrdib_graph.cli.main import build_parser, main
from mrdib_graph.cli.parser import Parser

__all__ = ["Parser", "build_parser", "exit_status", "main"]
