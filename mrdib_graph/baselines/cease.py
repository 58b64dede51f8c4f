"""EASE with side information: the features as more rows, or as a model beside."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph.baselines.baseline import SciPyMatrix
from mrdib_graph.baselines.content_rows import content_rows
from mrdib_graph.baselines.ease import EASE
from mrdib_graph.baselines.two_parts import TwoParts
from mrdib_graph.options import Count, NonNegative, Positive, Share, checked


class CEASE(EASE):
    r"""EASE on the interactions with the features as further rows of the matrix.

    From `"Closed-Form Models for Collaborative Filtering with Side-Information"
    <https://doi.org/10.1145/3383313.3418480>`_ (Jeunen, Van Balen, Goethals, RecSys 2020).  With
    the features T [d, I], whose columns are the rows of :func:`content_rows`, stacked below the
    interactions X [U, I], the weights minimise :math:`\lVert X - XB \rVert_F^2 + \alpha \lVert T -
    TB \rVert_F^2 + \lambda \lVert B \rVert_F^2` with a zero diagonal:

    .. math::
        P = (X^\top X + \alpha T^\top T + \lambda I)^{-1}, \qquad
        B_{ij} = -\frac{P_{ij}}{P_{jj}} \; (i \ne j), \quad B_{jj} = 0, \qquad y_u = X_u B

    Memory and time are those of :class:`EASE`.

    Args:
        content_weight: :math:`\alpha`; 0 is EASE.
        l2_weight: :math:`\lambda`, in interactions.
        max_items: Refuse graphs with more items than this.

    Raises:
        ConfigError: A value is out of range.
    """

    reads_content = True

    @checked
    def __init__(
        self,
        content_weight: NonNegative = 10.0,
        l2_weight: Positive = 100.0,
        max_items: Count = 20_000,
    ) -> None:
        super().__init__(l2_weight, max_items)
        self.content_weight = content_weight

    def _gram(self, data: HeteroData, train: SciPyMatrix) -> Tensor:
        rows = content_rows(data, "cease").double()
        return super()._gram(data, train).addmm_(rows, rows.T, alpha=self.content_weight)


class ContentEASE(EASE):
    r"""EASE whose weights reconstruct the features alone: :math:`P = (T^\top T + \lambda I)^{-1}`.

    Args:
        l2_weight: :math:`\lambda`; an item's features have length 1.
        max_items: Refuse graphs with more items than this.
    """

    reads_content = True

    def _gram(self, data: HeteroData, train: SciPyMatrix) -> Tensor:  # noqa: ARG002
        rows = content_rows(data, "add-ease").double()
        return rows @ rows.T


class AddEASE(TwoParts):
    r"""Two EASE models, of the interactions and of the features, whose weights are averaged.

    From the paper of :class:`CEASE`.  With :math:`B_X` that EASE learns from the interactions and
    :math:`B_T` that it learns from the features T:

    .. math::
        y_u = X_u \big( (1 - \beta) B_X + \beta B_T \big)

    Each part takes the memory and time of :class:`EASE`.

    Args:
        content_weight: :math:`\beta`; 0 is EASE.
        l2_weight: :math:`\lambda` of the interactions' part.
        content_l2_weight: :math:`\lambda` of the features' part.
        max_items: Refuse graphs with more items than this.

    Raises:
        ConfigError: A value is out of range.
    """

    name = "add-ease"

    @checked
    def __init__(
        self,
        content_weight: Share = 0.5,
        l2_weight: Positive = 100.0,
        content_l2_weight: Positive = 10.0,
        max_items: Count = 20_000,
    ) -> None:
        content = ContentEASE(content_l2_weight, max_items)
        super().__init__(EASE(l2_weight, max_items), content, content_weight)

    def _score(self, users: Tensor, histories: SciPyMatrix) -> Tensor:  # noqa: ARG002
        scores = self.collaborative.score(users) * (1 - self.content_weight)
        return torch.add(scores, self.content.score(users), alpha=self.content_weight)
