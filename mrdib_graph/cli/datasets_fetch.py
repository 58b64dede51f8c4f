"""``mrdib-graph datasets fetch``: a public data set's files, made into its folder."""

from __future__ import annotations

import argparse
import inspect
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mrdib_graph.cli.datasets_describe import count_lines
from mrdib_graph.errors import ConfigError


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument("name", metavar="NAME", help="a name of `datasets list`, or file.py:Class")
    parser.add_argument(
        "--root", type=Path, default=Path("data"), metavar="DIR", help="where data lie (data)"
    )
    parser.add_argument(
        "--from", dest="local", type=Path, metavar="DIR",
        help="read raw files from this folder instead of downloading them",
    )  # fmt: skip
    parser.add_argument(
        "--mirror", action="append", default=[], metavar="URL",
        help="download from below this address instead; several are tried in order",
    )  # fmt: skip
    parser.add_argument(
        "--any-checksum", action="store_true", help="accept files that are not the published ones"
    )
    parser.add_argument("--split", default="random", help="rule of the split (random)")
    parser.add_argument("--split-seed", type=int, default=0, metavar="N", help="its seed (0)")
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="S", help="seconds without a byte (30)"
    )
    parser.add_argument(
        "--attempts", type=int, default=5, metavar="N", help="transfers without a new byte (5)"
    )
    parser.add_argument(
        "--set", dest="options", action="append", default=[], metavar="NAME=VALUE",
        help="an option of the data set, such as build.core=10",
    )  # fmt: skip


def command(args: argparse.Namespace) -> list[str]:
    """Fetch what the flags name, and say in lines what was made; progress goes to standard error.

    Raises:
        ConfigError: The name, a flag or an option is wrong, or the data set has nothing to fetch.
        DataError: A file cannot be had or is wrong.
    """
    from mrdib_graph import datasets, resolver
    from mrdib_graph.datasets import FetchOptions

    cls = resolver.resolve_class(args.name, datasets, datasets.MultimodalDataset, "data set")
    if not hasattr(cls, "fetch"):
        raise ConfigError(
            f"data set: {args.name} has nothing to fetch: it makes its data itself, or reads files "
            "of your own"
        )
    given = {"root": args.root, "split": args.split, "split_seed": args.split_seed}
    parameters = inspect.signature(cls).parameters
    given = {name: value for name, value in given.items() if name in parameters}
    dataset = resolver.build(cls, _parse(args.options), "data set", **given)
    options = FetchOptions(args.local, args.mirror, args.any_checksum, args.timeout, args.attempts)
    with _progress():
        folder = dataset.fetch(options)
    return [*count_lines(dataset), f"{'folder:':<14}{folder}"]


def _parse(options: Sequence[str]) -> dict[str, Any]:
    """``['build.core=10']`` to ``{'build': {'core': 10}}``."""
    from omegaconf import OmegaConf

    for option in options:
        if not option.partition("=")[1] or not option.partition("=")[0]:
            raise ConfigError(f"--set: got {option!r}, expected NAME=VALUE")
    try:
        found = OmegaConf.to_container(OmegaConf.from_dotlist(list(options)), resolve=False)
    except Exception as error:  # a YAML or OmegaConf error, by value
        raise ConfigError(f"--set: {', '.join(options)} cannot be read: {error}") from error
    assert isinstance(found, dict)
    return {str(name): value for name, value in found.items()}


@contextmanager
def _progress() -> Iterator[None]:
    """Send the library's log from INFO to standard error."""
    logger, handler = logging.getLogger("mrdib_graph"), logging.StreamHandler(sys.stderr)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
