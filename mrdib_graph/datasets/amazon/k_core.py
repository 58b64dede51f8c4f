"""Repeated rows, the k-core, and numbers for what is left."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mrdib_graph.errors import DataError


class Core(NamedTuple):
    """What is left of n rows: ``rows`` [m] int64, their places in order, and the rounds it took."""

    rows: np.ndarray
    rounds: int


def first_of_each(
    user: np.ndarray, item: np.ndarray, time: np.ndarray
) -> tuple[np.ndarray, dict[str, int]]:
    """Places [m] of the earliest row of each (user, item), in the order of the rows.

    A row that repeats a (user, item, time) is an exact duplicate; a later row of the same pair adds
    no edge to a graph.  Both are dropped and counted.  Of equal times the first row stays.
    """
    pair = user.astype(np.int64) * (int(item.max()) + 1) + item
    order = np.lexsort((time, pair))  # stable
    again = pair[order[1:]] == pair[order[:-1]]
    exact = again & (time[order[1:]] == time[order[:-1]])
    kept = np.ones(len(user), dtype=bool)
    kept[order[1:][again]] = False
    counts = {
        "exact duplicates": int(exact.sum()),
        "later rows of a pair": int(again.sum() - exact.sum()),
    }
    return kept.nonzero()[0], counts


def k_core(user: np.ndarray, item: np.ndarray, k: int) -> Core:
    """The largest set of rows in which every user and every item has at least ``k``.

    Rows of users and of items with fewer are dropped at once, until nothing is dropped; the set
    does not depend on any order.

    Raises:
        DataError: Nothing is left.
    """
    rows, rounds = np.arange(len(user)), 0
    while True:
        users, items = np.bincount(user[rows]), np.bincount(item[rows])
        kept = (users[user[rows]] >= k) & (items[item[rows]] >= k)
        if kept.all():
            return Core(rows, rounds)
        rows, rounds = rows[kept], rounds + 1
        if not len(rows):
            raise DataError(
                f"{k}-core: none of {len(user)} rows is left: no set of users and items has {k} "
                "rows each; set core lower"
            )


def number(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers from 0 in order of first appearance [m], and the code of each number [n]."""
    found, first = np.unique(codes, return_index=True)
    kept = found[np.argsort(first)]
    table = np.empty(int(found[-1]) + 1, dtype=np.int64)
    table[kept] = np.arange(len(kept))
    return table[codes], kept
