"""The base of baselines that need no gradient: fit once, then score all items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

import numpy as np
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class Baseline(ABC):
    """A recommender in closed form, fitted to the training interactions alone.

    ``Evaluator.evaluate_scores(baseline.fit(data).score)`` evaluates it.
    """

    @abstractmethod
    def fit(self, data: HeteroData) -> Self:
        """Fit to the training interactions of a graph and return the baseline itself."""

    @abstractmethod
    def score(self, user_ids: Tensor) -> Tensor:
        """Scores of all items for some users, training items included.

        Shapes:
            ``user_ids`` [B] int64 -> [B, I] on the device of ``user_ids``.

        Raises:
            ConfigError: :meth:`fit` was not called, or a user is unknown.
        """


def training_matrix(data: HeteroData) -> csr_matrix:
    """Training interactions as a SciPy matrix [U, I] of float32 ones, sorted by user and item."""
    from scipy.sparse import csr_matrix

    user, item = graph.interactions(data, "train").cpu().numpy()
    ones = np.ones(user.size, dtype=np.float32)
    shape = (graph.num_users(data), graph.num_items(data))
    matrix = csr_matrix((ones, (user, item)), shape=shape)
    matrix.data[:] = 1  # a repeated interaction is summed by SciPy and still one positive
    return matrix


def histories(matrix: csr_matrix | None, user_ids: Tensor) -> csr_matrix:
    """Rows [B, I] of some users of a fitted training matrix.

    Raises:
        ConfigError: The matrix is None, for the baseline is not fitted, or a user is unknown.
    """
    if matrix is None:
        raise ConfigError("baseline: score was called before fit; call  baseline.fit(data)  first")
    num_users = matrix.shape[0]
    if user_ids.numel() and not 0 <= int(user_ids.min()) <= int(user_ids.max()) < num_users:
        raise ConfigError(
            f"user_ids: got ids {int(user_ids.min())} to {int(user_ids.max())}, expected 0 to "
            f"{num_users - 1}"
        )
    return matrix[user_ids.cpu().numpy()]
