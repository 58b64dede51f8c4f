"""``mrdib-graph completion``: what a shell needs to complete commands and flags."""

from __future__ import annotations

import argparse

import shtab


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument(
        "shell",
        metavar="SHELL",
        choices=shtab.SUPPORTED_SHELLS,
        help=f"{', '.join(shtab.SUPPORTED_SHELLS)}; for bash:  mrdib-graph completion bash "
        "> ~/.local/share/bash-completion/completions/mrdib-graph",
    )


def command(args: argparse.Namespace) -> list[str]:
    """The shell's script."""
    from mrdib_graph.cli.main import build_parser

    print(shtab.complete(build_parser(), args.shell))
    return []
