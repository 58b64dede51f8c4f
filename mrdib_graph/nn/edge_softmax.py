"""Softmax over the stored entries of each row of a sparse matrix."""

from __future__ import annotations

from torch import Tensor

from mrdib_graph.sparse import SparseMatrix, in_float32


@in_float32
def edge_softmax(pattern: SparseMatrix, score: Tensor) -> Tensor:
    r"""Weights of a node's edges that sum to one.

    .. math::
        \alpha_{ij} = \frac{\exp s_{ij}}{\sum_{l \in N(i)} \exp s_{il}}

    with :math:`N(i)` the stored entries of row i of the pattern, whose values are not read.  An
    edge with score :math:`-\infty` is left out: it has weight and gradient 0, and so has every edge
    of a row in which all are.

    Shapes:
        ``score`` [nnz] in the order of ``pattern`` -> [nnz], differentiable in the scores.
    """
    row = pattern.row
    top = score.detach().new_full((pattern.shape[0],), float("-inf"))
    top.scatter_reduce_(0, row, score.detach(), "amax")
    top.clamp_(min=-1e30)  # a row of -inf alone
    exp = (score - top[row]).exp()
    total = exp.new_zeros(pattern.shape[0]).index_add(0, row, exp)
    return exp / total.clamp(min=1.0)[row]  # a row with an edge has exp(0) = 1 in its sum
