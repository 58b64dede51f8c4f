"""A data set in MMRec's folder layout, with any number of modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.datasets.folder.feature_file import read_features
from mrdib_graph.datasets.folder.feature_report import logger, report_features
from mrdib_graph.datasets.folder.id_mapping import read_id_table
from mrdib_graph.datasets.folder.interaction_checks import (
    check_dense,
    drop_unseen_users,
    unique_pairs,
)
from mrdib_graph.datasets.folder.interaction_file import (
    ITEM_COLUMN,
    USER_COLUMN,
    Interactions,
    read_interactions,
)
from mrdib_graph.datasets.multimodal_dataset import MultimodalDataset
from mrdib_graph.errors import ConfigError, DataError, suggest
from mrdib_graph.features import Provenance, read_provenance
from mrdib_graph.features.feature_folder import SUFFIX, check_modality
from mrdib_graph.resolver import build
from mrdib_graph.transforms.scale_features import ScaleFeatures, ScaleMode
from mrdib_graph.transforms.split_interactions import BY_TIME, SplitInteractions

ITEM_TABLE = "items.tsv"
"""Optional table of the items: ``itemID``, and ``title`` and ``text`` where the source has them."""


class MMRecFolder(MultimodalDataset):
    """Reads a folder in the layout of `MMRec <https://arxiv.org/abs/2302.03497>`_.

    .. code-block:: text

        <root>/<name>/<name>.inter            userID, itemID, x_label, tab-separated
        <root>/<name>/<modality>_feat.npy     [items, width]; row i is item i
        <root>/<name>/<modality>_feat.json    optional: where these rows came from
        <root>/<name>/u_id_mapping.csv        optional: raw id and userID, tab-separated
        <root>/<name>/i_id_mapping.csv        optional: raw id and itemID, tab-separated
        <root>/<name>/items.tsv               optional: itemID, title, text, tab-separated

    The number of items is the largest itemID + 1, and likewise of users.  The record beside a
    feature file, which :func:`mrdib_graph.features.write_features` writes, holds the file's digest:
    one that belongs to other rows is refused.

    Args:
        root: The folder that holds ``<name>``, or the data set's own folder where name is None.
        name: Name of the data set; None takes the folder's.
        modalities: Which modalities, in this order; None takes every feature file, sorted.
        split: ``'given'`` uses ``x_label``; otherwise a rule of :class:`SplitInteractions`, and
            ``x_label`` may be absent.
        split_seed: Seed of the rule.
        deduplicate: Keep the first of repeated rows instead of refusing them.  A pair in two given
            splits is refused all the same.
        allow_sparse_ids: Accept ids far above their number, at the price of mostly empty tables.
        scale: See :class:`ScaleFeatures`.
        allow_integers: Convert integer features to float32 instead of refusing them.
        split_options: Further options of :class:`SplitInteractions`, such as ``share``.

    Raises:
        DataError: At the first access, for anything wrong with folder or files; the message names
            file and place.
        ConfigError: An option is of the wrong kind.
    """

    tables: ClassVar[tuple[tuple[str, str], ...]] = (
        ("u_id_mapping.csv", USER_COLUMN),
        ("i_id_mapping.csv", ITEM_COLUMN),
        (ITEM_TABLE, ITEM_COLUMN),
    )
    """Optional tables, and the column of each that holds the row number."""

    def __init__(
        self,
        root: str | Path,
        name: str | None = None,
        modalities: Sequence[str] | None = None,
        split: str = "given",
        split_seed: int = 0,
        deduplicate: bool = False,
        allow_sparse_ids: bool = False,
        scale: ScaleMode = "auto",
        allow_integers: bool = False,
        split_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if isinstance(modalities, str):
            raise ConfigError(f"modalities: got the text {modalities!r}, expected a list of names")
        self.folder = Path(root).resolve() if name is None else Path(root) / _file_name(name)
        self.name = name or self.folder.name
        self.requested = None if modalities is None else list(modalities)
        self.splitter = build(
            SplitInteractions, split_options or {}, "split", rule=split, seed=split_seed
        )
        self.scaler = ScaleFeatures(scale)
        self.deduplicate = deduplicate
        self.allow_sparse_ids = allow_sparse_ids
        self.allow_integers = allow_integers
        self.split_rule = split if split == "given" else f"{split} seed={split_seed}"
        self._tables: dict[str, dict[str, list[str]]] = {}
        self._records: dict[str, Provenance] = {}

    def load(self) -> HeteroData:
        """Read the files."""
        if not self.folder.is_dir():
            raise DataError(
                f"{self.folder}: there is no such folder; expected <root>/<name> with "
                f"{self.name}.inter and <modality>{SUFFIX} files in it"
            )
        rows, num_users, num_items = self._interactions()
        edges = torch.stack([rows.user, rows.item])
        data = graph.new_graph(num_users, num_items, edges, rows.label, rows.time)
        self._read_tables(num_users, num_items)
        if (raw := _integers(self.item_ids)) is not None:
            data[graph.ITEM].raw_id = raw
        self._records.clear()
        for modality in self._modalities():
            graph.add_modality(data, modality, self._features(modality, num_items))
        data = self.scaler(self.splitter(data))
        self.split_rule = data.split_rule
        self._log_unseen_items(data)
        return data

    @property
    def interaction_path(self) -> Path:
        """The ``.inter`` file."""
        return self.folder / f"{self.name}.inter"

    @property
    def user_ids(self) -> list[str] | None:
        """Raw id of each user row, from ``u_id_mapping.csv``; None without it."""
        return self._column("u_id_mapping.csv")

    @property
    def item_ids(self) -> list[str] | None:
        """Raw id of each item row, from ``i_id_mapping.csv``; None without it."""
        return self._column("i_id_mapping.csv")

    @property
    def item_names(self) -> list[str] | None:
        """The title of each item row, or its name, from ``items.tsv``; None without it."""
        table = self._tables.get(ITEM_TABLE, {})
        return table.get("title", table.get("name"))

    @property
    def item_texts(self) -> list[str] | None:
        """The text of each item row, for an encoder, from ``items.tsv``; None without it."""
        self[0]
        return self._tables.get(ITEM_TABLE, {}).get("text")

    @property
    def feature_records(self) -> dict[str, dict[str, str | int | float]]:
        """What the records beside the feature files say, by modality, as short values."""
        self[0]
        return {modality: record.flat() for modality, record in self._records.items()}

    def _interactions(self) -> tuple[Interactions, int, int]:
        path, given = self.interaction_path, self.splitter.rule == "given"
        rows = read_interactions(path, need_label=given, need_time=self.splitter.rule in BY_TIME)
        if not self.allow_sparse_ids:
            check_dense(path, rows.user, USER_COLUMN)
            check_dense(path, rows.item, ITEM_COLUMN)
        num_users, num_items = int(rows.user.max()) + 1, int(rows.item.max()) + 1
        if not given:
            rows = rows._replace(label=None)
        rows = unique_pairs(path, rows, self.deduplicate)
        return (drop_unseen_users(path, rows) if given else rows), num_users, num_items

    def _modalities(self) -> list[str]:
        found = sorted(p.name.removesuffix(SUFFIX) for p in self.folder.glob(f"?*{SUFFIX}"))
        names = found if self.requested is None else self.requested
        for name in names:
            if _file_name(name) not in found:
                raise DataError(
                    f"{self.folder / (name + SUFFIX)}: modality '{name}' is not there"
                    f"{suggest(name, found)} The folder has: {', '.join(found) or 'none'}"
                    f"{self._pickled(name)}"
                )
            check_modality(name, str(self.folder / (name + SUFFIX)))
            if names.count(name) > 1:
                raise DataError(f"modalities: '{name}' is asked for twice")
        return names

    def _pickled(self, name: str) -> str:
        for suffix in (".pkl", ".pt", ".pth", ".pickle"):
            if (path := self.folder / f"{name}_feat{suffix}").exists():
                return (
                    f". {path.name} is a pickle, which can run code when it is opened, and is "
                    f"never loaded: save the array as {name}{SUFFIX}"
                )
        return ""

    def _features(self, modality: str, num_items: int) -> Tensor:
        path = self.folder / f"{modality}{SUFFIX}"
        x = read_features(path, self.allow_integers)
        if x.size(0) != num_items:
            raise DataError(
                f"{path}: {x.size(0)} rows, and {self.interaction_path} has {num_items} items "
                "(largest itemID + 1); row i must be item i, so rows are neither padded nor cut"
            )
        report_features(path, x)
        if path.with_suffix(".json").exists():
            self._records[modality] = read_provenance(self.folder, modality)
        return x

    def _read_tables(self, num_users: int, num_items: int) -> None:
        for file, column in self.tables:
            if (self.folder / file).exists():
                size = num_users if column == USER_COLUMN else num_items
                self._tables[file] = read_id_table(self.folder / file, column, size)

    def _column(self, file: str, column: str | None = None) -> list[str] | None:
        """A column of a table, its first by default; None where the file is absent."""
        if file not in self._tables:
            return None
        table = self._tables[file]
        return table[column or next(iter(table))]

    def _log_unseen_items(self, data: HeteroData) -> None:
        seen = torch.unique(graph.interactions(data, "train")[1]).numel()
        if unseen := graph.num_items(data) - seen:
            logger.warning(
                "%s: %d items have no training row; they stay candidates", self.name, unseen
            )


def _file_name(name: str) -> str:
    """The name, refused where it is a path: names join paths that are read and written."""
    if not name or name in (".", "..") or any(mark in name for mark in "/\\\0:"):
        raise DataError(
            f"name: got {name!r}, expected a plain name without separators; a path goes into root"
        )
    return name


def _integers(ids: list[str] | None) -> Tensor | None:
    """Raw ids [n] where all of them are integers: their order can betray a split."""
    if ids is None or not all(i.isascii() and i.isdecimal() and len(i) < 19 for i in ids):
        return None
    return torch.tensor([int(i) for i in ids])
