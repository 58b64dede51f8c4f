"""Raw files of a public format to a folder that :class:`MMRecFolder` reads, by one call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.datasets.conversion.conversion import Conversion
from mrdib_graph.datasets.conversion.lattice_json import read_lattice
from mrdib_graph.datasets.conversion.microlens_files import read_microlens
from mrdib_graph.datasets.conversion.movielens_files import read_movielens
from mrdib_graph.datasets.conversion.recbole_files import read_recbole
from mrdib_graph.datasets.conversion.sparse_splits import read_diffmm
from mrdib_graph.datasets.files.source_text import listing
from mrdib_graph.datasets.folder.folder_record import identities
from mrdib_graph.datasets.folder.folder_writer import check_free, write_folder
from mrdib_graph.errors import ConfigError, DataError, suggest
from mrdib_graph.options import check_options
from mrdib_graph.resolver import build
from mrdib_graph.transforms.split_interactions import SplitInteractions, split_digest

logger = logging.getLogger(__name__)

READERS: dict[str, Callable[..., Conversion]] = {
    "diffmm": read_diffmm,
    "lattice": read_lattice,
    "microlens": read_microlens,
    "movielens": read_movielens,
    "recbole": read_recbole,
}


def convert(
    source_format: str,
    source: str | Path,
    dest: str | Path,
    split: str | None = None,
    split_seed: int = 0,
    split_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Convert raw files to a folder of interactions and features.

    ============= ============================================================ ==================
    format        files                                                        options
    ============= ============================================================ ==================
    ``recbole``   ``<name>.inter``, ``<name>.item`` with typed headers         ``min_rating``,
                                                                               ``text_columns``,
                                                                               ``user_column``,
                                                                               ``item_column``
    ``movielens`` ``u.data``, ``u.item``, or ``ratings.dat``, ``movies.dat``   ``min_rating``,
                                                                               ``encoding``
    ``lattice``   ``train.json``, ``val.json``, ``test.json``, features        ``features``,
                                                                               ``renumber``
    ``diffmm``    ``trnMat.npz``, ``valMat.npz``, ``tstMat.npz``, features     ``features``,
                                                                               ``renumber``
    ``microlens`` ``*_pairs.csv``, ``*_title*.csv``, features                  ``features``
    ============= ============================================================ ==================

    All of them have ``deduplicate``.  Nothing is unpickled.  The folder appears whole or not at
    all; its ``provenance.json`` holds the SHA-256 of every file that was read and written, the
    options, the counts, what was left out, and the split with its digest.

    Args:
        source_format: One of the above.
        source: The folder with the raw files.
        dest: The folder to write, absent or empty; its name is the data set's.
        split: A rule of :class:`SplitInteractions`, ``'given'``, or ``'none'``; None takes the
            split of the format, or none where it has none, and then a rule is named when the
            folder is read.
        split_seed: Seed of the rule.
        split_options: Further options of :class:`SplitInteractions`.
        options: Of the format, see above.

    Returns:
        What ``provenance.json`` holds.

    Raises:
        ConfigError: An option or the format is unknown, or ``dest`` has content.
        DataError: A file is malformed; the message names file and line.
    """
    if source_format not in READERS:
        raise ConfigError(
            f"format: got {source_format!r}{suggest(str(source_format), list(READERS)) or ','} "
            f"expected one of {', '.join(READERS)}"
        )
    reader, source, dest = READERS[source_format], Path(source), Path(dest)
    check_options(reader, options, f"convert {source_format}")
    check_free(dest)
    splitter = None
    if split is not None and split != "none":
        extra = split_options or {}
        splitter = build(SplitInteractions, extra, "split", rule=split, seed=split_seed)
    elif split_options:
        raise ConfigError("split_options: name a rule in split, too")
    if not source.is_dir():
        raise DataError(f"{source}: expected the folder with the raw files; {listing(source)}")
    conversion = reader(source, **options)
    if split == "given" and conversion.label is None:
        raise DataError(f"{source}: the format {source_format} has no split; name a rule")
    data = _graph(conversion, None if split == "none" else conversion.label, splitter)
    label = None
    if "train_mask" in data[graph.INTERACTS]:
        label = graph.split_labels(data)
    record = _record(source_format, conversion, data, options)
    for what, count in conversion.dropped.items():
        logger.warning("%s: %d %s left out", source, count, what)
    return write_folder(dest, conversion, label, record)


def _graph(
    conversion: Conversion, label: Tensor | None, splitter: SplitInteractions | None
) -> HeteroData:
    """The interactions, split where a rule or a label says how, and checked."""
    edges = torch.stack([conversion.user, conversion.item])
    users, items = conversion.num_users, conversion.num_items
    data = graph.new_graph(users, items, edges, label, conversion.time)
    if splitter is None and label is not None:
        splitter = SplitInteractions("given")
    if splitter is not None:
        data = splitter(data)
    graph.validate(data)
    return data


def _record(
    source_format: str, conversion: Conversion, data: HeteroData, options: Mapping[str, Any]
) -> dict[str, Any]:
    from mrdib_graph.version import __version__

    split = None
    if "split_rule" in data:
        split = {"rule": data.split_rule, "sha256": split_digest(data)}
    counts = graph.describe(data)
    counts["modalities"] = {m: rows.x.size(1) for m, rows in conversion.features.items()}
    return {
        "format": source_format,
        "made_by": f"mrdib-graph {__version__}",
        "options": {name: _plain(value) for name, value in options.items()},
        "sources": identities(conversion.files),
        "counts": counts,
        "left_out": conversion.dropped,
        "split": split,
    }


def _plain(value: Any) -> Any:
    """A value that JSON has."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value
