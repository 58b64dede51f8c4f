"""The base of baselines that need no gradient: fit once, then score all items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError
from mrdib_graph.graph import check_rows

SciPyMatrix = Any
"""A ``scipy.sparse.csr_matrix``; SciPy is imported at use."""


class Baseline(ABC):
    """A recommender in closed form, fitted to the training interactions alone.

    ``Evaluator.evaluate_scores(baseline.fit(data).score)`` evaluates it.  A baseline writes
    ``_fit`` and ``_score``.

    Attributes:
        name: Its name in tables; the class's in lower case where empty.
        reads_content: Whether it needs a modality.
    """

    name: ClassVar[str] = ""
    reads_content: ClassVar[bool] = False
    _train: SciPyMatrix | None = None

    def fit(self, data: HeteroData) -> Self:
        """Fit to the training interactions of a graph and return the baseline itself.

        Raises:
            ConfigError: The graph has too many items, or no modality, where these matter.
            DataError: It lacks a modality that was named.
        """
        train = training_matrix(data)
        self._fit(data, train)
        self._train = train
        return self

    def score(self, user_ids: Tensor) -> Tensor:
        """Scores of all items for some users, training items included.

        Shapes:
            ``user_ids`` [B] int64 -> [B, I] on the device of ``user_ids``.

        Raises:
            ConfigError: :meth:`fit` was not called, or a user is unknown.
        """
        if self._train is None:
            raise ConfigError(
                "baseline: score was called before fit; call  baseline.fit(data)  first"
            )
        check_rows("user_ids", user_ids, self._train.shape[0])
        users = user_ids.cpu()
        return self._score(users, self._train[users.numpy()]).to(user_ids.device)

    @abstractmethod
    def _fit(self, data: HeteroData, train: SciPyMatrix) -> None:
        """Make what scores need, from the graph and its training matrix [U, I]."""

    @abstractmethod
    def _score(self, users: Tensor, histories: SciPyMatrix) -> Tensor:
        """Scores [B, I] of users [B] with the rows [B, I] of the training matrix."""


def training_matrix(data: HeteroData) -> SciPyMatrix:
    """Training interactions as a SciPy matrix [U, I] of float32 ones, sorted by user and item."""
    from scipy.sparse import csr_matrix

    user, item = graph.interactions(data, "train").cpu().numpy()
    ones = np.ones(user.size, dtype=np.float32)
    shape = (graph.num_users(data), graph.num_items(data))
    matrix = csr_matrix((ones, (user, item)), shape=shape)
    matrix.data[:] = 1  # a repeated interaction is summed by SciPy and still one positive
    return matrix
