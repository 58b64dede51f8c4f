"""``mrdib-graph datasets encode``: the items' texts of a folder to feature rows beside them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from mrdib_graph.errors import DataError


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command; what is not given is not in the namespace."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a data set's, with items.tsv")
    parser.add_argument(
        "--encoder", default="tfidf-svd", metavar="NAME",
        help="tfidf-svd (default, no model), minilm, or a model's folder or name",
    )  # fmt: skip
    parser.add_argument("--modality", default="text", metavar="NAME", help="its name (text)")
    parser.add_argument(
        "--fill", default="mean", choices=("mean", "zero"), help="row of an item without a text"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace rows that are there")

    def option(flag: str, **settings: Any) -> None:
        parser.add_argument(flag, default=argparse.SUPPRESS, **settings)

    option("--dim", type=int, metavar="N", help="width of tfidf-svd (256)")
    option("--seed", type=int, metavar="N", help="seed of tfidf-svd (0)")
    option("--pooling", choices=("mean", "cls", "max"), help="over a model's tokens")
    option("--batch-size", type=int, metavar="N", help="texts at a time (64)")
    option("--device", help="where the model runs (cpu)")
    option("--download", action="store_true", help="fetch a model of the hub that is not here")


def command(args: argparse.Namespace) -> list[str]:
    """Encode and write, and say in lines what was made.

    Raises:
        DataError: The folder has no texts, or has rows of that name already.
    """
    from mrdib_graph.datasets import MMRecFolder
    from mrdib_graph.features import encode_text, write_features
    from mrdib_graph.features.feature_folder import feature_files

    path, _ = feature_files(args.folder, args.modality)
    if path.exists() and not args.overwrite:
        raise DataError(f"{path}: is already there; --overwrite replaces it")
    # texts do not depend on a split, which the folder may lack
    texts = MMRecFolder(args.folder, split="random", modalities=[]).item_texts
    if texts is None:
        raise DataError(
            f"{args.folder / 'items.tsv'}: there are no texts; it needs the columns itemID and "
            "text, separated by tabs"
        )
    names = ("dim", "seed", "pooling", "batch_size", "device", "download")
    options = {name: getattr(args, name) for name in names if hasattr(args, name)}
    quiet = not sys.stderr.isatty()
    features = encode_text(texts, args.encoder, **options, quiet=quiet)
    path = write_features(
        args.folder, args.modality, features, fill=args.fill, overwrite=args.overwrite
    )
    found = features.provenance
    missing = len(found.missing_items)
    return [
        f"{path}: {found.num_items:,} rows, {found.dimension} wide",
        f"{'encoder:':<14}{found.encoder} ({found.version})",
        f"{'pooling:':<14}{found.pooling}",
        f"{'no text:':<14}{missing:,} items" + (f", filled ({args.fill})" if missing else ""),
        f"{'record:':<14}{path.with_suffix('.json').name}",
    ]
