"""``mrdib-graph recommend``: the best items of a saved bundle for one user."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mrdib_graph.cli.parser import one_line, table


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="its folder")
    parser.add_argument("--user", required=True, metavar="ID", help="id of the user")
    parser.add_argument(
        "--k", type=int, default=10, metavar="N", help="number of items (default %(default)s)"
    )
    parser.add_argument(
        "--include-seen", action="store_true", help="also rank the user's training items"
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")


def command(args: argparse.Namespace) -> list[str]:
    """The lines that the command prints."""
    from mrdib_graph.serving import Bundle

    found = Bundle.load(args.bundle).recommend(args.user, args.k, not args.include_seen)
    if args.format == "json":
        return json.dumps([item._asdict() for item in found], indent=2).splitlines()
    names = [one_line(r.name or "") for r in found]
    columns = [
        ["rank", *(str(r.rank) for r in found)],
        ["item", *(one_line(r.item) for r in found)],
        *([["name", *names]] if any(names) else []),
        ["score", *(f"{r.score:.4f}" for r in found)],
    ]
    return table(list(zip(*columns, strict=True)))
