"""Formats that come split and numbered: checks and features that they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from mrdib_graph.datasets.conversion.conversion import Conversion, FeatureRows, distinct
from mrdib_graph.datasets.folder.feature_file import read_features
from mrdib_graph.datasets.folder.feature_names import feature_paths
from mrdib_graph.datasets.folder.interaction_checks import check_dense, same_pairs
from mrdib_graph.errors import DataError

Place = Callable[[int], str]
"""Row number to file and line, for messages."""


def assemble(
    folder: Path,
    files: list[Path],
    rows: Tensor,
    place: Place,
    features: Mapping[str, str | Path] | None,
    deduplicate: bool,
    renumber: bool,
) -> Conversion:
    """Rows of user, item and label [E, 3] with the features of a folder.

    Args:
        folder: Where the files are.
        files: What was read.
        rows: User, item, and label: 0 train, 1 validation, 2 test.
        place: For messages.
        features: Modality to file; None takes every ``<modality>_feat.npy`` of the folder.
        deduplicate: Keep the first of pairs that are repeated inside a split.
        renumber: Number the users and items that have a row from 0, and keep the feature rows of
            these; the ids become raw ids.

    Raises:
        DataError: There is no training row, a pair is in two splits or repeated, no held-out row
            of a split belongs to a user with training rows, ids are sparse, or feature rows and
            items do not match.
    """
    user, item, label = rows.t().contiguous()
    if not bool((label == 0).any()):
        raise DataError(f"{files[0]}: line 1: the training split is empty; nothing to learn from")
    _check_splits(user, item, label, place)
    kept = distinct(user, item, place, deduplicate)
    repeated = user.numel() - int(kept.sum())
    user, item, label = user[kept], item[kept], label[kept]
    _check_held_out(files, user, label)
    ids: dict[str, list[str] | None] = {"user": None, "item": None}
    index = None
    if renumber:
        (users, user), (index, item) = (torch.unique(x, return_inverse=True) for x in (user, item))
        ids = {"user": list(map(str, users.tolist())), "item": list(map(str, index.tolist()))}
    else:
        for name, column in (("user", user), ("item", item)):
            check_dense(folder, column, name, "number them anew with renumber=True (--renumber)")
    paths = feature_paths(folder, features)
    return Conversion(
        user,
        item,
        [*files, *paths.values()],
        label=label,
        user_ids=ids["user"],
        item_ids=ids["item"],
        features={m: _features(path, index, item, files[0]) for m, path in paths.items()},
        dropped={"repeated rows": repeated} if repeated else {},
    )


def _check_splits(user: Tensor, item: Tensor, label: Tensor, place: Place) -> None:
    earlier, later = same_pairs(user, item)
    leaked = label[earlier] != label[later]
    if bool(leaked.any()):
        row, first = int(later[leaked][0]), int(earlier[leaked][0])
        raise DataError(
            f"{place(row)} has the pair (user {int(user[row])}, item {int(item[row])}) that "
            f"{place(first)} has, too; {int(leaked.sum())} pairs are in two splits: a held-out "
            "pair must not be in another split; remove one of each"
        )


def _check_held_out(files: list[Path], user: Tensor, label: Tensor) -> None:
    trained = user[label == 0]
    for value, path in enumerate(files[1:], start=1):
        held = user[label == value]
        if held.numel() and not bool(torch.isin(held, trained).any()):
            raise DataError(
                f"{path}: line 1: none of its {held.numel()} rows belongs to a user of "
                f"{files[0].name}; check that user numbers mean the same in both"
            )


def _features(path: Path, index: Tensor | None, item: Tensor, file: Path) -> FeatureRows:
    x = read_features(path)
    items = int(item.max()) + 1
    if index is not None:
        if int(index[-1]) >= x.size(0):
            raise DataError(
                f"{path}: {x.size(0)} rows, and the largest item number of the interactions beside "
                f"{file} is {int(index[-1])}; row i must be item i"
            )
    elif items != x.size(0):
        raise DataError(
            f"{path}: {x.size(0)} rows, and the interactions beside {file} have {items} items "
            "(largest number + 1); row i must be item i.  If the last rows are items without any "
            "interaction, leave them out with renumber=True (--renumber)"
        )
    return FeatureRows(x, index)
