"""``mrdib-graph datasets list``."""

from __future__ import annotations

import argparse

from mrdib_graph.cli.parser import table


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The command has none."""


def command(_: argparse.Namespace) -> list[str]:
    """The data sets, one a line."""
    from mrdib_graph import datasets, resolver

    found = resolver.choices(datasets, datasets.MultimodalDataset)
    rows = [(n, (cls.__doc__ or "").strip().splitlines()[0]) for n, cls in sorted(found.items())]
    return table(rows)
