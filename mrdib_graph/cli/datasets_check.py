"""``mrdib-graph datasets check``: what is wrong with a folder."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from mrdib_graph.cli.datasets_describe import add_split_flags, count_lines
from mrdib_graph.errors import DataError


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    add_split_flags(parser, "given, which checks x_label")


def command(args: argparse.Namespace) -> Iterator[str]:
    """What the folder holds and what is odd about it, a line at a time.

    Raises:
        DataError: Something is wrong; where several things are, each has a line before.
    """
    from mrdib_graph.datasets.folder.folder_check import check_folder

    errors, warnings, dataset = check_folder(args.folder, args.split or "given", args.split_seed)
    yield from [] if dataset is None else count_lines(dataset)
    yield from (f"warning: {text}" for text in warnings)
    if len(errors) > 1:
        yield from (f"error: {text}" for text in errors)
        raise DataError(f"{args.folder}: {len(errors)} errors found, listed above")
    if errors:
        raise DataError(errors[0])
    yield "no error found" + (f"; warnings: {len(warnings)}" if warnings else "")
