"""Exact or approximate: which neighbour search a catalogue gets."""

from __future__ import annotations

import importlib.util
import logging
from typing import Literal

from torch import Tensor

from mrdib_graph.nn.faiss_knn import Neighbors, faiss_knn, import_faiss
from mrdib_graph.nn.knn import knn
from mrdib_graph.options import checked

logger = logging.getLogger(__name__)

Search = Literal["auto", "exact", "faiss"]

MAX_EXACT = 100_000
"""Items up to which ``'auto'`` compares every pair."""


@checked
def check_search(search: Search) -> None:
    """Refuse an unknown search, and FAISS where it is not installed.

    Raises:
        ConfigError: The name is unknown.
        MissingExtraError: It is ``'faiss'``, which is not installed.
    """
    if search == "faiss":
        import_faiss()


def neighbor_search(
    x: Tensor, k: int, mask: Tensor | None = None, search: Search = "auto", name: str = "items"
) -> Neighbors:
    """The k nearest rows by cosine, by :func:`~mrdib_graph.nn.knn` or
    :func:`~mrdib_graph.nn.faiss_knn`.

    ``'auto'`` is exact up to 100,000 rows and on an accelerator, approximate above where FAISS is
    installed, and exact with a warning of the cost where it is not.  The recall of an approximate
    search is logged.

    Args:
        x: Rows [I, d].
        k: Neighbours per row, itself included.
        mask: Rows that exist [I] bool.
        search: ``'auto'``, ``'exact'`` or ``'faiss'``.
        name: What is searched, for the log.

    Raises:
        ConfigError: k is not in 1..I, or the search is unknown.
        MissingExtraError: FAISS is asked for and not installed.
    """
    check_search(search)
    if uses_faiss(x, search):
        found = faiss_knn(x, k, mask)
        logger.info(
            "%s: the %d nearest of %d rows by FAISS, recall %.3f on a sample",
            name, k, x.size(0), found.recall,
        )  # fmt: skip
        return found
    if search == "auto" and x.is_cpu and x.size(0) > MAX_EXACT:
        logger.warning(
            "%s: %d rows are compared with one another in full, %.1e multiplications; "
            "pip install 'mrdib-graph[ann]' makes an approximate search take the place of this",
            name, x.size(0), x.size(0) ** 2 * x.size(1),
        )  # fmt: skip
    return Neighbors(*knn(x, k, mask), 1.0)


def uses_faiss(x: Tensor, search: Search = "auto") -> bool:
    """Whether a search of these rows is the approximate one."""
    if search == "auto":
        large = x.is_cpu and x.size(0) > MAX_EXACT
        return large and importlib.util.find_spec("faiss") is not None
    return search == "faiss"
