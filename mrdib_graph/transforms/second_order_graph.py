"""User-item graphs with the items that are most similar to a user's history."""

from __future__ import annotations

import logging
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError
from mrdib_graph.nn.knn import inverse_sqrt
from mrdib_graph.options import NonNegative, NonNegativeInt, checked
from mrdib_graph.sparse import SparseMatrix
from mrdib_graph.transforms.content_order import cached_with_content, modalities_of
from mrdib_graph.transforms.second_order_pairs import second_order_pairs
from mrdib_graph.transforms.user_item_graph import UserItemGraph

logger = logging.getLogger(__name__)

RANorm = Literal["block", "published"]


class SecondOrderGraph(BaseTransform):  # type: ignore[misc]
    r"""SOIL's user-item graph, from "SOIL: Contrastive Second-Order Interest Learning for
    Multimodal Recommendation" (Su et al., MM 2024).

    With :math:`C_a = \prod_m \cos(X_m)` elementwise and :math:`I_u` the training items of u,

    .. math::
        R_a &= R + \sum_{(i, j) \in \mathrm{top}_k(u)} C_a(i, j)\, e_u e_j^\top, \qquad
        \mathrm{top}_k(u) \subset \{(i, j): i \in I_u,\ j \neq i\} \\
        S^+ &= S + w\, S_a, \qquad S^+_{UI} = S_{UI} + w\, R'_a

    :math:`\mathrm{top}_k(u)` are the k pairs of the largest :math:`C_a`.  :math:`S_a` is
    :math:`R_a` and its transpose, divided by the roots of both row sums, values below 1e-7 raised
    to 1e-7; S is LightGCN's graph.  Memory is that of one block of cosines.

    Pairs are ordered by (value, content of j, content of i), where values within 1e-6 tie and
    "content" is the order of :func:`~mrdib_graph.transforms.content_order.ordered_items`, so the
    numbers of the items do not matter.  An item that lacks one of the modalities, or has a row of
    zeros, has :math:`C_a = 0` to every other; with the first it forms no pair at all.

    Args:
        k: Pairs a user, :math:`k_a`.
        weight: w; the paper's 1, the release's 1/2.
        ra_norm: :math:`R'_a`: ``'block'``, the block of :math:`S_a`; ``'published'``, the
            release's slip, divides by the root of the row sum of *user* number i in place of item
            i's.
        exclude_history: Choose only pairs whose j is not in :math:`I_u`.  :math:`C_a` is symmetric,
            so two similar items of one history otherwise fill two places, (i, j) and (j, i), and a
            user may get no new item; how many do is logged.
        modalities: Which modalities; all by default.

    Shapes:
        Two operators: ``nodes`` [U + I, U + I] and ``history`` [U, I]; read them with
        :func:`mrdib_graph.graph.operator` by the names of these attributes.

    Raises:
        ConfigError: An option is out of range, or ``'published'`` with more items than users.
        DataError: The graph has no modality, or the interactions are not split.
    """

    @checked
    def __init__(
        self,
        k: NonNegativeInt = 2,
        weight: NonNegative = 0.5,
        ra_norm: RANorm = "block",
        exclude_history: bool = False,
        modalities: tuple[str, ...] | None = None,
    ) -> None:
        self.k = k
        self.weight = weight
        self.ra_norm = ra_norm
        self.exclude_history = exclude_history
        self.modalities = modalities
        options = f"{k}_{weight}_{exclude_history}_{'+'.join(modalities or ('all',))}"
        self.nodes = f"user_item_second_order_{options}"
        self.history = f"user_history_second_order_{options}_{ra_norm}"

    def check_sizes(self, num_users: int, num_items: int) -> None:
        """Refuse sizes for which ``ra_norm`` is not defined.

        Raises:
            ConfigError: ``'published'`` with more items than users.
        """
        if self.ra_norm == "published" and num_items > num_users:
            raise ConfigError(
                f"ra_norm: 'published' reads the row sum of user number i for item i, so it needs "
                f"no more items than users; got {num_items} items, {num_users} users: use 'block'"
            )

    def forward(self, data: HeteroData) -> HeteroData:
        """Add both operators where they are not there yet."""
        num_users = graph.num_users(data)
        self.check_sizes(num_users, graph.num_items(data))
        if graph.has_operator(data, self.nodes) and graph.has_operator(data, self.history):
            return data
        data = UserItemGraph("sym")(data)
        plain = graph.user_item_graph(data, "sym")
        history = graph.train_history(data)
        augmented = self._augmented(history, self._pairs(data, history))  # R_a
        of_user, of_item = augmented.row_sum(), augmented.t.row_sum()

        def scaled(degree: Tensor) -> Tensor:
            scale = inverse_sqrt(of_user)[augmented.row] * inverse_sqrt(degree)[augmented.col]
            return self.weight * (augmented.value * scale).clamp(min=1e-7)

        def plus(base: SparseMatrix, row: Tensor, col: Tensor, value: Tensor) -> SparseMatrix:
            return SparseMatrix.from_edges(
                torch.cat([base.row, row]),
                torch.cat([base.col, col]),
                torch.cat([base.value, value]),
                base.shape,
                symmetric=base.symmetric,
            )

        user, item, value = augmented.row, augmented.col + num_users, scaled(of_item)
        both = torch.cat([user, item]), torch.cat([item, user]), value.repeat(2)
        graph.set_operator(data, self.nodes, plus(plain, *both))
        block = plain.block(slice(0, num_users), slice(num_users, None))
        if self.ra_norm == "published":
            value = scaled(of_user)
        graph.set_operator(data, self.history, plus(block, user, augmented.col, value))
        return data

    def _pairs(self, data: HeteroData, history: SparseMatrix) -> dict[str, Tensor]:
        """User, item and value of every chosen pair, from the cache where it was built before."""
        names = modalities_of(data, self.modalities, "second-order graph")
        options = {"graph": "second_order", "k": self.k, "exclude_history": self.exclude_history}

        def build() -> dict[str, Tensor]:
            return second_order_pairs(data, names, history, self.k, self.exclude_history)

        return cached_with_content(data, names, history, options, build)

    def _augmented(self, history: SparseMatrix, pairs: dict[str, Tensor]) -> SparseMatrix:
        """R_a, with a line to the log on how many users got no new item."""
        matrix = SparseMatrix.from_edges(
            torch.cat([history.row, pairs["user"]]),
            torch.cat([history.col, pairs["item"]]),
            torch.cat([history.value, pairs["value"]]),
            history.shape,
        )
        had = history.crow.diff()
        without = int(((matrix.crow.diff() == had) & (had > 0)).sum())
        logger.info(
            "second-order graph: %d of %d users with a history get no new item (k = %d%s)",
            without,
            int((had > 0).sum()),
            self.k,
            ", history excluded" if self.exclude_history else "",
        )
        return matrix

    def __repr__(self) -> str:
        return (
            f"SecondOrderGraph(k={self.k}, weight={self.weight}, ra_norm={self.ra_norm!r}, "
            f"exclude_history={self.exclude_history})"
        )
