"""Ranking by inner product: scores, exclusion of the history, the best k with a fixed order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation.top_k import top_k
from mrdib_graph.graph import check_rows
from mrdib_graph.sparse import SparseMatrix, row_entries

SCORES_PER_BLOCK = 2**24
"""Scores held at once while many users are ranked: 64 MB."""


class Recommendation(NamedTuple):
    """One recommended item.

    Attributes:
        item: Id of the item.
        name: Its readable name, None where the data set has none.
        score: Inner product of user row and item row, without a unit; compare within a user only.
        rank: 1 for the best item.
    """

    item: str
    name: str | None
    score: float
    rank: int


class History(NamedTuple):
    """The items that each user has in training, as CSR arrays.

    Shapes:
        ``crow`` [U + 1] row pointers, ``col`` [E] item rows, ascending within a user; both int64.
    """

    crow: Tensor
    col: Tensor

    @classmethod
    def from_edges(cls, edge_index: Tensor, num_users: int, num_items: int) -> History:
        """Sort training interactions [2, E] by user; repeated ones are kept once.

        Raises:
            ConfigError: The shape or type is wrong, or a row number is out of range.
        """
        if edge_index.dim() != 2 or edge_index.size(0) != 2 or edge_index.dtype != torch.int64:
            raise ConfigError(
                f"train_edge_index: got {edge_index.dtype} of shape {tuple(edge_index.shape)}, "
                "expected int64 of shape [2, E]: user rows, item rows"
            )
        user, item = edge_index.cpu()
        check_rows("train_edge_index, users", user, num_users)
        check_rows("train_edge_index, items", item, num_items)
        matrix = SparseMatrix.from_edges(user, item, None, (num_users, num_items))
        return cls(matrix.crow, matrix.col)

    def positions(self, users: Tensor) -> tuple[Tensor, Tensor]:
        """Where the history of users [n] lies in their score matrix [n, I].

        Returns:
            Row in ``users`` and item row of each pair, both [sum of the history lengths].
        """
        return row_entries(self.crow, self.col, users)


def rank_rows(
    user_rows: Tensor, item_table: Tensor, k: int, exclude: tuple[Tensor, Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    r"""Rank all items by :math:`s(u, i) = \langle p_u, q_i \rangle` for a block of users.

    Args:
        user_rows: [n, w].
        item_table: [I, w].
        k: Number of items, at most I.
        exclude: Row in ``user_rows`` and item row of the pairs to leave out; these get -inf.

    Returns:
        Scores [n, k] and item rows [n, k], best first; of equal scores the lower item row first.
    """
    scores = user_rows @ item_table.t()  # [n, I]
    if exclude is not None:
        scores[exclude] = -torch.inf
    return top_k(scores, k)


def as_recommendations(
    scores: Tensor, items: Tensor, ids: Sequence[str], names: Sequence[str] | None
) -> list[list[Recommendation]]:
    """Ranked rows [n, k] with ids and names, without the excluded items (score -inf)."""
    return [
        [
            Recommendation(ids[item], None if names is None else names[item], score, rank)
            for rank, (score, item) in enumerate(zip(*pair, strict=True), start=1)
            if score != -torch.inf
        ]
        for pair in zip(scores.tolist(), items.tolist(), strict=True)
    ]
