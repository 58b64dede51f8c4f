"""Checks of interactions beyond their syntax: repeated pairs, leakage, sparse ids, empty splits."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from torch import Tensor

from mrdib_graph.datasets.folder.interaction_file import Interactions
from mrdib_graph.errors import DataError

logger = logging.getLogger(__name__)

SPARSE_FACTOR, SPARSE_MARGIN = 10, 1000
RENUMBER = (
    "number the ids from 0 (for example with pandas.factorize) and put the feature rows in the "
    "same order, or pass allow_sparse_ids=True"
)
_NAMES = ("train", "validation", "test")


def check_dense(path: Path, ids: Tensor, column: str, advice: str = RENUMBER) -> None:
    """Refuse ids that would make a table of mostly unused rows.

    Ids are sparse when the largest is at least 10 times the number of distinct ids plus 1,000.

    Raises:
        DataError: They are, as raw database keys usually are.
    """
    distinct, largest = torch.unique(ids).numel(), int(ids.max())
    if largest >= SPARSE_FACTOR * distinct + SPARSE_MARGIN:
        raise DataError(
            f"{path}: column {column} has {distinct} distinct ids and the largest is {largest}: a "
            f"table of {largest + 1} rows would be almost empty; {advice}"
        )


def pair_keys(user: Tensor, item: Tensor) -> Tensor:
    """One number [E] for each pair, equal for equal pairs; ids [E] may be any from 0 to int64."""
    if (int(user.max()) + 1) * (int(item.max()) + 1) > 2**63:  # the product would wrap around
        user, item = (torch.unique(ids, return_inverse=True)[1] for ids in (user, item))
    return user * (int(item.max()) + 1) + item


def same_pairs(user: Tensor, item: Tensor) -> tuple[Tensor, Tensor]:
    """Rows [n] that hold a pair, and the next row [n] that holds it again."""
    key = pair_keys(user, item)
    order = torch.argsort(key, stable=True)
    same = key[order[1:]] == key[order[:-1]]
    return order[:-1][same], order[1:][same]


def unique_pairs(path: Path, rows: Interactions, deduplicate: bool) -> Interactions:
    """The rows with each (user, item) once: the first of each where ``deduplicate`` is set.

    Raises:
        DataError: A pair is in two splits (leakage, never repaired), or is repeated inside one and
            ``deduplicate`` is False.
    """
    earlier, later = same_pairs(rows.user, rows.item)
    if rows.label is not None:
        leaked = later[rows.label[later] != rows.label[earlier]]
        if leaked.numel():
            raise DataError(
                f"{path}: {leaked.numel()} pairs are in two splits, for example "
                f"{_pairs(rows, leaked)}: a held-out pair must not be in another split; remove one "
                "of each"
            )
    if not later.numel():
        return rows
    if not deduplicate:
        raise DataError(
            f"{path}: {later.numel()} rows repeat an earlier pair, for example "
            f"{_pairs(rows, later.sort().values)}; remove them, or pass deduplicate=True to keep "
            "the first of each"
        )
    logger.warning("%s: %d repeated rows dropped (deduplicate)", path, later.numel())
    kept = torch.ones_like(rows.user, dtype=torch.bool)
    kept[later] = False
    return keep(rows, kept)


def drop_unseen_users(path: Path, rows: Interactions) -> Interactions:
    """The rows without the validation and test rows of users that have no training row.

    Raises:
        DataError: The training split is empty, or a split had rows and none is left.
    """
    assert rows.label is not None
    train = rows.label == 0
    if not bool(train.any()):
        raise DataError(f"{path}: x_label: no row is 0: the training split is empty")
    kept = torch.isin(rows.user, rows.user[train])
    for label in (1, 2):
        before = int((rows.label == label).sum())
        after = int(((rows.label == label) & kept).sum())
        if before and not after:
            raise DataError(
                f"{path}: none of the {before} {_NAMES[label]} rows belongs to a user with a "
                "training row; check that userID means the same in all splits"
            )
        if before > after:
            logger.warning(
                "%s: %d %s rows dropped, of users without a training row",
                path, before - after, _NAMES[label],
            )  # fmt: skip
        if not before:
            logger.warning("%s: the %s split is empty", path, _NAMES[label])
    return rows if bool(kept.all()) else keep(rows, kept)


def keep(rows: Interactions, mask: Tensor) -> Interactions:
    """The rows where ``mask`` [E] is True."""
    label, time = (None if column is None else column[mask] for column in rows[2:])
    return Interactions(rows.user[mask], rows.item[mask], label, time)


def _pairs(rows: Interactions, at: Tensor) -> str:
    first = torch.stack([rows.user[at[:3]], rows.item[at[:3]]], 1).tolist()
    return ", ".join(f"(user {user}, item {item})" for user, item in first)
