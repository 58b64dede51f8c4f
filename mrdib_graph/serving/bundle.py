"""A trained recommender as plain tables, saved to a folder and asked for recommendations."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation.top_k import check_k
from mrdib_graph.serving import checks, storage
from mrdib_graph.serving.faiss_search import FaissSearch, pays
from mrdib_graph.serving.id_map import IdMap
from mrdib_graph.serving.recommend import (
    SCORES_PER_BLOCK,
    History,
    Recommendation,
    as_recommendations,
    rank_rows,
)
from mrdib_graph.serving.storage import BundleInfo


@dataclass(frozen=True, eq=False, repr=False)
class Bundle:
    r"""Tables, ids and training history: all that a recommendation needs, without the model.

    The score is the inner product :math:`s(u, i) = \langle p_u, q_i \rangle` of a row of the user
    table and one of the item table, as ``Recommender.tables`` returns them.  Of equal scores the
    lower item row ranks first.  A bundle never changes: :meth:`add_items` returns a new one.  Build
    it with :meth:`from_tables` or :meth:`load`.

    Args:
        user_table: [U, w] float32.
        item_table: [I, w] float32.
        history: Training items of each user.
        users: Ids of the user rows.
        items: Ids of the item rows.
        item_names: Readable name of each item row, or None.
        info: Where the tables come from.
    """

    user_table: Tensor
    item_table: Tensor
    history: History
    users: IdMap
    items: IdMap
    item_names: list[str] | None
    info: BundleInfo

    @classmethod
    def from_tables(
        cls,
        user_table: Tensor,
        item_table: Tensor,
        train_edge_index: Tensor,
        *,
        user_ids: Sequence[str] | None = None,
        item_ids: Sequence[str] | None = None,
        item_names: Sequence[str] | None = None,
        info: BundleInfo | None = None,
    ) -> Bundle:
        """Make a bundle from the tables of a trained recommender.

        Args:
            user_table: [U, w], any float type.
            item_table: [I, w].
            train_edge_index: [2, E] int64, user and item rows of the training interactions, which
                are not recommended again.
            user_ids: Raw id of each user row; row numbers as text where None.
            item_ids: Raw id of each item row, likewise.
            item_names: A readable name of each item row.
            info: Name, backbone, arm, data set and metrics to keep with the tables.

        Raises:
            ConfigError: A table is no finite [n, w], widths differ, a row number is out of range,
                or ids are too few, too many or repeated.
        """
        user_table, item_table = checks.plain(user_table), checks.plain(item_table)
        checks.check_tables(user_table, item_table)
        num_users, num_items = user_table.size(0), item_table.size(0)
        return cls(
            user_table,
            item_table,
            History.from_edges(train_edge_index, num_users, num_items),
            IdMap(user_ids, num_users, "user"),
            IdMap(item_ids, num_items, "item"),
            checks.checked_names(item_names, num_items),
            info or BundleInfo(),
        )

    def save(self, folder: str | Path, overwrite: bool = False) -> Path:
        """Write the bundle to a folder, whole or not at all.

        Args:
            folder: Where to; parents are made.
            overwrite: Whether to replace a bundle that is there; anything else is never replaced.

        Raises:
            ConfigError: The folder exists and may not be replaced.
            DataError: No permission or no space.
        """
        from mrdib_graph.version import __version__

        folder = Path(folder)
        texts = {storage.USER_IDS: self.users.ids, storage.ITEM_IDS: self.items.ids}
        if self.item_names is not None:
            texts[storage.ITEM_NAMES] = self.item_names
        info = dataclasses.replace(self.info, library_version=__version__)
        storage.write_folder(
            folder,
            {"info": dataclasses.asdict(info), "counts": self._counts()},
            {
                storage.TABLES: {"user_table": self.user_table, "item_table": self.item_table},
                storage.HISTORY: self.history._asdict(),
            },
            texts,
            overwrite,
        )
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Bundle:
        """Read a bundle and check header, digests, shapes, ids and row numbers.

        Raises:
            DataError: Something is missing, damaged or does not fit; the message names the file.
        """
        folder = Path(folder)
        header, tensors, lists = storage.read_folder(folder)
        with checks.naming(folder / storage.TABLES):
            tables = tensors[storage.TABLES]
            user_table = checks.tensor(tables, "user_table", 2, torch.float32)
            item_table = checks.tensor(tables, "item_table", 2, torch.float32)
            checks.check_tables(user_table, item_table)
        num_users, num_items = user_table.size(0), item_table.size(0)
        with checks.naming(folder / storage.HISTORY):
            arrays = tensors[storage.HISTORY]
            history = History(
                *(checks.tensor(arrays, name, 1, torch.int64) for name in History._fields)
            )
            checks.check_history(history, num_users, num_items)
        with checks.naming(folder / storage.USER_IDS):
            users = IdMap(checks.text_list(lists[storage.USER_IDS]), num_users, "user")
        with checks.naming(folder / storage.ITEM_IDS):
            items = IdMap(checks.text_list(lists[storage.ITEM_IDS]), num_items, "item")
        names = None
        if storage.ITEM_NAMES in lists:
            with checks.naming(folder / storage.ITEM_NAMES):
                names = checks.checked_names(checks.text_list(lists[storage.ITEM_NAMES]), num_items)
        with checks.naming(folder / storage.HEADER):
            info = checks.bundle_info(header["info"])
            bundle = cls(user_table, item_table, history, users, items, names, info)
            if header["counts"] != bundle._counts():
                raise ConfigError(
                    f"'counts' is {header['counts']}, but the files hold {bundle._counts()}"
                )
        return bundle

    def recommend(
        self, user: str | int, k: int = 10, exclude_seen: bool = True
    ) -> list[Recommendation]:
        """The best k items of a user, best first; fewer where exclusion leaves fewer.

        Args:
            user: Id of the user; a whole number is read as its decimal text.
            k: 1 to the number of items.
            exclude_seen: Whether to leave out the user's training items.

        Raises:
            ConfigError: The user is unknown (the message names the nearest id) or k is out of
                range.
        """
        return self.recommend_batch([user], k, exclude_seen)[0]

    def recommend_batch(
        self, users: Iterable[str | int], k: int = 10, exclude_seen: bool = True
    ) -> list[list[Recommendation]]:
        """:meth:`recommend` for many users, in their order."""
        k = check_k(k, len(self.items))
        rows = self.users.rows(users, "users")
        ranked = []
        for block in torch.split(rows, max(1, SCORES_PER_BLOCK // len(self.items))):
            exclude = self.history.positions(block) if exclude_seen else None
            ranked += self._rank(self.user_table[block], k, exclude)
        return ranked

    def recommend_for_items(
        self, liked_items: Iterable[str | int], k: int = 10, exclude_liked: bool = True
    ) -> list[Recommendation]:
        r"""Recommend to somebody who has no row, from a list of liked items.

        The row of such a user is the mean of the liked items' rows,
        :math:`p = \frac1n \sum_{j=1}^{n} q_{i_j}`, so the score of an item is its mean inner
        product with the liked ones.  With the one to three items that a new user has, the mean
        ranks better than a linear map fitted on the known users; the map wins where tens are known.

        Raises:
            ConfigError: The list is empty, an item is unknown or comes twice, or k is out of range.
        """
        k = check_k(k, len(self.items))
        rows = self.items.rows(liked_items, "liked_items")
        if not rows.numel():
            raise ConfigError("liked_items: the list is empty; give at least one item id")
        if torch.unique(rows).numel() < rows.numel():
            raise ConfigError("liked_items: an item comes twice; give each item once")
        exclude = (torch.zeros_like(rows), rows) if exclude_liked else None
        return self._rank(self.item_table[rows].mean(0, keepdim=True), k, exclude)[0]

    def add_items(
        self, item_rows: Tensor, ids: Sequence[str], names: Sequence[str] | None = None
    ) -> Bundle:
        """A bundle with further items, whose rows the trained backbone made from their features.

        Args:
            item_rows: [n, w], in the space of the item table.
            ids: New id of each row.
            names: Readable names; needed exactly where the bundle has names.

        Raises:
            ConfigError: Width, ids or names do not fit.
        """
        item_rows = checks.plain(item_rows)
        checks.check_tables(self.user_table, item_rows)
        if (names is None) != (self.item_names is None):
            has = "no names" if self.item_names is None else "names of all items"
            raise ConfigError(f"names: the bundle has {has}, so the new items need the same")
        item_table = torch.cat([self.item_table, item_rows])
        checks.check_tables(self.user_table, item_table)  # old and new rows meet for a cold user
        num_items = item_table.size(0)
        items = IdMap([*self.items.ids, *ids], num_items, "item")
        all_names = None if names is None else [*(self.item_names or ()), *names]
        all_names = checks.checked_names(all_names, num_items)
        return dataclasses.replace(self, item_table=item_table, items=items, item_names=all_names)

    def _rank(
        self, user_rows: Tensor, k: int, exclude: tuple[Tensor, Tensor] | None
    ) -> list[list[Recommendation]]:
        if pays(len(self.items), user_rows.size(0)):
            excluded = user_rows.new_empty(0, dtype=torch.int64) if exclude is None else exclude[1]
            scores, items = self._index.rank(user_rows, k, excluded)
        else:
            scores, items = rank_rows(user_rows, self.item_table, k, exclude)
        return as_recommendations(scores, items, self.items.ids, self.item_names)

    @functools.cached_property
    def _index(self) -> FaissSearch:
        return FaissSearch(self.item_table)

    def _counts(self) -> dict[str, int]:
        return {
            "users": self.user_table.size(0),
            "items": self.item_table.size(0),
            "interactions": self.history.col.numel(),
            "width": self.user_table.size(1),
        }

    def __repr__(self) -> str:
        counts = ", ".join(f"{key}={value}" for key, value in self._counts().items())
        return f"Bundle({self.info.name!r}, {counts})"
