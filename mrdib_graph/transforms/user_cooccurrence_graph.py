"""Users who share training items, the most frequent companions of each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError
from mrdib_graph.options import Count, checked
from mrdib_graph.sparse import SparseMatrix, place_in_group
from mrdib_graph.transforms.graph_cache import cached

COOCCURS = (graph.USER, "cooccurs", graph.USER)
_BLOCK_PAIRS = 2**21  # pairs of users who share an item, of one block: about 100 MB
_CACHED_BYTES = 2**20  # 65,000 interactions; below, building takes less than a second


class UserCooccurrenceGraph(BaseTransform):  # type: ignore[misc]
    r"""The k users with whom each user shares most training items.

    :math:`c_{uv} = (R R^\top)_{uv}` for :math:`u \ne v` and binary R; each row keeps its k largest
    counts, ties by the lowest user id, and no zeros.  The search is exact and works on blocks of
    rows, so nothing of size [U, U] is formed.  The lists of the first ``top`` are cached on disk by
    a hash of the interactions, so another k up to ``top`` needs no second search.

    The values are the counts themselves; :class:`~mrdib_graph.nn.UserGraphConv` turns them into
    weights.  From `"DualGNN: Dual Graph Neural Network for Multimedia Recommendation"
    <https://doi.org/10.1109/TMM.2021.3138298>`_.

    Args:
        k: Companions per user; a user may have fewer.
        top: Companions per user in the cache, k or more.

    Shapes:
        The operator ``user_cooccurrence_<k>`` is [U, U] with at most k counts a row; the same edges
        are ``data['user', 'cooccurs', 'user']``.

    Raises:
        ConfigError: k is below 1 or above ``top``.
        DataError: The interactions are not split.
    """

    @checked
    def __init__(self, k: Count = 40, top: int = 200) -> None:
        if top < k:
            raise ConfigError(f"top: got {top}, expected k = {k} or more")
        self.k = k
        self.top = top

    def forward(self, data: HeteroData) -> HeteroData:
        """Add the operator and the relation where they are not there yet."""
        name = f"user_cooccurrence_{self.k}"
        if not graph.has_operator(data, name):
            matrix = self._build(data)
            graph.set_operator(data, name, matrix)
            data[COOCCURS].edge_index = matrix.edge_index()
            data[COOCCURS].edge_weight = matrix.value
        return data

    def _build(self, data: HeteroData) -> SparseMatrix:
        users, items = graph.num_users(data), graph.num_items(data)
        edges = graph.interactions(data, "train")
        options: dict[str, object] = {"graph": "user_cooccurrence", "top": self.top}
        options |= {"users": users, "items": items}

        def build() -> dict[str, Tensor]:
            return top_companions(edges, users, items, self.top)

        made = cached({"edges": edges}, options, build, minimum_bytes=_CACHED_BYTES)
        size, col, count = (made[name].to(edges.device) for name in ("size", "col", "count"))
        row = torch.arange(users, device=edges.device).repeat_interleave(size)
        keep = place_in_group(row) < self.k
        return SparseMatrix.from_edges(
            row[keep], col[keep].long(), count[keep].float(), (users, users)
        )

    def __repr__(self) -> str:
        return f"UserCooccurrenceGraph(k={self.k}, top={self.top})"


def top_companions(edges: Tensor, num_users: int, num_items: int, top: int) -> dict[str, Tensor]:
    """The companions of each user by (count descending, id ascending), at most ``top``.

    Shapes:
        ``edges`` [2, E], users and items -> ``size`` [U] int64, companions of each user; ``col``
        and ``count`` [sum of size] int32, user after user.
    """
    from scipy.sparse import csr_array

    user, item = edges.cpu().numpy()
    history = csr_array(
        (np.ones(user.size, dtype=np.int32), (user, item)), shape=(num_users, num_items)
    )
    history.data[:] = 1  # repeated interactions were summed
    takers = history.T.tocsr()
    parts = []
    for rows in _row_blocks(history.indptr, takers.indptr, history.indices):
        shared = history[rows] @ takers
        parts.append(_rank(shared.indptr, shared.indices, shared.data, rows.start, num_users, top))
    sizes, cols, counts = (np.concatenate(part) for part in zip(*parts, strict=True))
    return {
        "size": torch.from_numpy(sizes),
        "col": torch.from_numpy(cols.astype(np.int32)),
        "count": torch.from_numpy(counts.astype(np.int32)),
    }


IntArray = npt.NDArray[np.integer]


def _row_blocks(indptr: IntArray, item_ptr: IntArray, indices: IntArray) -> Iterator[slice]:
    """Blocks of one user or more, with at most ``_BLOCK_PAIRS`` pairs in their rows of R R^T."""
    pairs = np.concatenate([[0], np.diff(item_ptr)[indices].cumsum()])[indptr]
    start, num_users = 0, indptr.size - 1
    while start < num_users:
        fits = int(np.searchsorted(pairs, pairs[start] + _BLOCK_PAIRS, side="right")) - 1
        stop = min(num_users, max(start + 1, fits))
        yield slice(start, stop)
        start = stop


def _rank(
    indptr: IntArray, col: IntArray, count: IntArray, first: int, num_users: int, top: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Sizes, ids and counts of the best of each row; ``first`` is the user of row 0."""
    row = np.arange(indptr.size - 1, dtype=np.int64).repeat(np.diff(indptr))
    other = col != row + first
    row, col, count = row[other], col[other].astype(np.int64), count[other].astype(np.int64)
    most = int(count.max(initial=0))
    # one sort of one number: by row, then by count from above, then by id
    key = np.sort((row * (most + 1) + most - count) * num_users + col)
    row, col = key // ((most + 1) * num_users), key % num_users
    count = most - key // num_users % (most + 1)
    size = np.bincount(row, minlength=indptr.size - 1)
    keep = np.arange(row.size) - (size.cumsum() - size)[row] < top
    return np.minimum(size, top), col[keep], count[keep]
