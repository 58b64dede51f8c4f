"""``mrdib-graph datasets convert``: raw files of a public format to a data set's folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mrdib_graph.cli.parser import name_list
from mrdib_graph.errors import ConfigError

FORMATS = ("diffmm", "lattice", "microlens", "movielens", "recbole")
_OPTIONS = (
    "deduplicate",
    "encoding",
    "features",
    "item_column",
    "min_rating",
    "renumber",
    "text_columns",
    "user_column",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command; what is not given is not in the namespace."""
    parser.add_argument("format", metavar="FORMAT", help=", ".join(FORMATS))
    parser.add_argument(
        "source", type=Path, metavar="SOURCE",
        help="folder with the raw files; for recbole also the name of its example data, ml-100k",
    )  # fmt: skip
    parser.add_argument("dest", type=Path, metavar="DEST", help="folder to write; absent or empty")
    parser.add_argument(
        "--split", help="split rule, 'given' or 'none'; default the format's own split, if any"
    )
    parser.add_argument("--split-seed", type=int, default=0, help="seed of the rule (default 0)")
    parser.add_argument("--split-share", type=float, help="share that the rule holds out")

    def option(flag: str, **settings: Any) -> None:
        parser.add_argument(flag, default=argparse.SUPPRESS, **settings)

    option("--deduplicate", action="store_true", help="keep the first of repeated pairs")
    option("--min-rating", type=float, metavar="R", help="leave out ratings below R")
    option("--encoding", help="of MovieLens titles: latin-1 (default) or utf-8")
    option(
        "--text-columns", type=name_list, metavar="A,B", help="RecBole columns that make the text"
    )
    option("--user-column", metavar="NAME", help="RecBole user column (default user_id)")
    option("--item-column", metavar="NAME", help="RecBole item column (default item_id)")
    option("--renumber", action="store_true", help="number the users and items that have a row")
    option(
        "--feature", dest="features", action="append", type=_feature, metavar="MODALITY=FILE",
        help="a feature file, in place of those found beside; give one for each modality",
    )  # fmt: skip


def command(args: argparse.Namespace) -> list[str]:
    """Convert, and say in lines what was made."""
    from mrdib_graph.datasets import convert

    options = {name: getattr(args, name) for name in _OPTIONS if hasattr(args, name)}
    if "features" in options:
        pairs = options["features"]
        options["features"] = dict(pairs)
        if len(options["features"]) < len(pairs):
            raise ConfigError("--feature: a modality is named twice")
    share = {} if args.split_share is None else {"share": args.split_share}
    if share and args.split in (None, "none", "given"):
        raise ConfigError("--split-share: name the rule, too: --split global_time or cold_items")
    record = convert(
        args.format, _source(args), args.dest, args.split, args.split_seed, share, **options
    )
    counts, split = record["counts"], record["split"]
    sizes = ", ".join(f"{counts[name]:,} {name}" for name in ("users", "items", "interactions"))
    lines = [f"{args.dest}: {sizes}"]
    lines += [f"{what + ':':<24}{count:,}" for what, count in record["left_out"].items()]
    widths = ", ".join(f"{name} ({width} wide)" for name, width in counts["modalities"].items())
    lines.append(f"{'modalities:':<24}{widths or 'none'}")
    rule = "none: name a rule when the folder is read" if split is None else split["rule"]
    lines.append(f"{'split:':<24}{rule}")
    return lines


def _source(args: argparse.Namespace) -> Path:
    """The folder, or that of example data which the package recbole carries."""
    from mrdib_graph.datasets import recbole_example

    source: Path = args.source
    if args.format == "recbole" and len(source.parts) == 1 and not source.exists():
        return recbole_example(source.name)
    return source


def _feature(text: str) -> tuple[str, Path]:
    modality, equals, file = text.partition("=")
    if not (modality and equals and file):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected MODALITY=FILE")
    return modality, Path(file)
