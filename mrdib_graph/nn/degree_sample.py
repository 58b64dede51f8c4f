"""Weighted sampling of edges without replacement, and the graph of the edges that are kept."""

from __future__ import annotations

import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.sparse import SparseMatrix


def degree_sample(weights: Tensor, n: int, generator: torch.Generator) -> Tensor:
    r"""Draw n different indices one after the other, each with probability proportional to weight.

    .. math::
        e_i \sim \mathrm{Exp}(w_i) = E / w_i, \quad E \sim \mathrm{Exp}(1): \qquad
        \text{the indices of the n smallest } e_i

    which is the distribution of successive draws without replacement (`"Weighted random sampling
    with a reservoir" <https://doi.org/10.1016/j.ipl.2005.11.003>`_, Efraimidis and Spirakis) and,
    unlike ``torch.multinomial``, has no limit of :math:`2^{24}` entries.

    Args:
        weights: Not negative, n or more of them positive [E]; weight 0 is never drawn.
        n: How many.
        generator: Source of the draw, which is made on its device: a generator on the CPU gives one
            draw wherever the weights are.

    Returns:
        Indices [n] in ascending order, on the device of the weights.

    Raises:
        ConfigError: A weight is negative or not finite, or fewer than n are positive.
    """
    rates = weights.detach().to(generator.device, torch.float64)
    if not bool((rates.isfinite() & (rates >= 0)).all()):
        raise ConfigError("weights: got a negative or non-finite one, expected 0 or more")
    positive = int((rates > 0).sum())
    if not 0 <= n <= positive:
        raise ConfigError(f"n: got {n} draws from {positive} positive weights, expected 0 to that")
    keys = torch.empty_like(rates).exponential_(generator=generator) / rates
    return keys.topk(n, largest=False, sorted=False).indices.sort().values.to(weights.device)


def bipartite_sym(user: Tensor, item: Tensor, num_users: int, num_items: int) -> SparseMatrix:
    r"""The symmetrically normalised graph of some user-item edges, users first.

    .. math::
        S = D^{-1/2} \begin{pmatrix} 0 & R \\ R^\top & 0 \end{pmatrix} D^{-1/2}

    with D the degrees *of these edges*: on a subset the kept ones are renormalised, and a node that
    keeps none has an empty row.

    Shapes:
        ``user``, ``item`` [E], each pair once -> [U + I, U + I].
    """
    size = num_users + num_items
    item = item + num_users
    pattern = SparseMatrix.from_edges(
        torch.cat([user, item]), torch.cat([item, user]), None, (size, size)
    )
    degree = pattern.crow.diff().float()
    value = (degree[pattern.row] * degree[pattern.col]).rsqrt()
    return pattern.with_values(value, symmetric=True)
