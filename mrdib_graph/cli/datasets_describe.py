"""``mrdib-graph datasets describe``: what data hold."""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mrdib_graph.errors import ConfigError, DataError

if TYPE_CHECKING:
    from mrdib_graph.datasets import MultimodalDataset
    from mrdib_graph.datasets.description import Description


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument(
        "name", metavar="NAME", help="a name of `datasets list`, file.py:Class, or a folder"
    )
    parser.add_argument(
        "--root", type=Path, default=Path("data"), metavar="DIR", help="where data lie (data)"
    )
    add_split_flags(parser, "the data set's own; a folder's is given")
    parser.add_argument(
        "--figure", type=Path, metavar="FILE", help="draw degrees, coverage and norms: FILE.png"
    )


def add_split_flags(parser: argparse.ArgumentParser, default: str) -> None:
    """``--split`` and ``--split-seed``, which ``check`` has, too."""
    parser.add_argument("--split", metavar="RULE", help=f"split by this rule (default: {default})")
    parser.add_argument("--split-seed", type=int, default=0, metavar="N", help="its seed (0)")


def command(args: argparse.Namespace) -> list[str]:
    """Describe a data set, and draw it where ``--figure`` asks for it.

    Raises:
        ConfigError: The name, the split or the figure's file type is wrong.
        DataError: The data cannot be read, or the figure cannot be written.
    """
    from mrdib_graph.datasets.description import describe_graph
    from mrdib_graph.datasets.folder.folder_check import collected_warnings

    if args.figure is not None:
        _check_figure(args.figure)
    with collected_warnings() as warnings:
        dataset = _open(args)
        data = dataset[0]
        warnings.clear()  # what they say of interactions and features is said again below
        if data.get("feature_scaling", "none") != "none" and "scale" in _parameters(dataset):
            data = _open(args, scale="never")[0]
        found = describe_graph(data)
    lines = count_lines(dataset) + _degree_lines(found) + _modality_lines(found)
    lines += ["", *(f"anomaly: {text}" for text in found.anomalies or ["none found"])]
    if args.figure is not None:
        _draw(found, args.figure)
        lines.append(f"figure: {args.figure}")
    return lines


def count_lines(dataset: MultimodalDataset) -> list[str]:
    """Name, split, counts, digest and modalities of a data set, one a line."""
    from mrdib_graph import graph
    from mrdib_graph.transforms import split_leaks

    data = dataset[0]
    counts: dict[str, Any] = {
        "data set": dataset.name,
        "split rule": dataset.split_rule,
        **graph.describe(data),
        "digest": dataset.digest,
    }
    if "train" in counts:
        leaks = "yes: labels follow from row count and id order; use it for parity only"
        counts["split leak"] = leaks if split_leaks(data) else "none found"
    modalities = counts.pop("modalities")
    counts["modalities"] = ", ".join(f"{m} ({width} wide)" for m, width in modalities.items())
    if "feature_scaling" in data:
        counts["scaling"] = data.feature_scaling
    lines = []
    for name, value in counts.items():
        text = f"{value:,}" if isinstance(value, int) else str(value)
        if isinstance(value, float):
            text = f"{100 * value:.4f} %"
        lines.append(f"{name + ':':<14}{text}")
    return lines


def _open(args: argparse.Namespace, **options: Any) -> MultimodalDataset:
    """The data set that the command names; a path is a folder."""
    from mrdib_graph import datasets, resolver

    is_path = ".py:" not in args.name and ("/" in args.name or Path(args.name).is_dir())
    cls: Any = datasets.MMRecFolder
    if not is_path:
        cls = resolver.resolve_class(args.name, datasets, datasets.MultimodalDataset, "data set")
    parameters = inspect.signature(cls).parameters
    if "root" in parameters:
        options["root"] = Path(args.name) if is_path else args.root
    if args.split is not None:
        if "split" not in parameters:
            raise ConfigError(f"--split: {args.name} makes its own split; leave it out")
        options |= {"split": args.split, "split_seed": args.split_seed}
    made: MultimodalDataset = resolver.build(cls, {}, "data set", **options)
    return made


def _parameters(dataset: MultimodalDataset) -> list[str]:
    return list(inspect.signature(type(dataset)).parameters)


def _degree_lines(found: Description) -> list[str]:
    from tabulate import tabulate

    from mrdib_graph.datasets.description import TOP, quantiles, top_share

    rows = [
        [name, *map(int, quantiles(degree)), f"{float(degree.double().mean()):.1f}",
         f"{100 * top_share(degree):.1f} %"]
        for name, degree in found.degrees.items()
    ]  # fmt: skip
    head = ["degrees", "least", "25 %", "median", "75 %", "most", "mean", f"top {TOP:.0%} hold"]
    return ["", *tabulate(rows, head, "simple", disable_numparse=True).splitlines()]


def _modality_lines(found: Description) -> list[str]:
    from tabulate import tabulate

    from mrdib_graph.datasets.description import quantiles

    rows = []
    for name, modality in found.modalities.items():
        low, _, median, _, high = (f"{value:.3g}" for value in quantiles(modality.norms))
        covered = f"{modality.items:,} ({100 * modality.coverage:.1f} %)"
        rows.append(
            [name, modality.width, covered, f"{modality.zero:,}", low, median, high,
             f"{round(modality.cosine, 3) + 0.0:.3f}"]
        )  # fmt: skip
    if not rows:
        return []
    head = ["modality", "width", "items", "all zero", "least norm", "median", "most", "mean cosine"]
    return ["", *tabulate(rows, head, "simple", disable_numparse=True).splitlines()]


def _check_figure(path: Path) -> None:
    """Refuse before any data are read what matplotlib would refuse after."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    known = sorted(FigureCanvasAgg.get_supported_filetypes())
    if path.suffix.removeprefix(".").lower() not in known:
        raise ConfigError(
            f"--figure: got {path}, expected a file that ends in .{', .'.join(known)}"
        )


def _draw(found: Description, path: Path) -> None:
    from mrdib_graph.plotting import data_overview

    total = found.degrees["items"].numel()
    coverage = {name: (m.coverage, m.zero / total) for name, m in found.modalities.items()}
    norms = {name: m.norms for name, m in found.modalities.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        data_overview(found.degrees, coverage, norms).savefig(path)
    except OSError as error:
        raise DataError(f"{path}: the figure cannot be written: {error.strerror}") from error
