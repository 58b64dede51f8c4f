"""The solve that EASE and its relatives share, and its price."""

from __future__ import annotations

import logging

import psutil
import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError

logger = logging.getLogger(__name__)

_FLOPS = 2e10  # of one thread of a common CPU, in float64
_LONG = 30.0  # seconds from which the price is worth a warning


def check_size(name: str, items: int, max_items: int) -> None:
    """Refuse a matrix [I, I] that is too large, and log what the solve of the others takes.

    Raises:
        ConfigError: There are more items than ``max_items``, or the memory is not there.
    """
    gigabytes, free = 24 * items**2 / 1e9, psutil.virtual_memory().available / 1e9
    if items > max_items:
        raise ConfigError(
            f"{name}: the graph has {items} items, more than max_items={max_items}; the inverse "
            f"needs about {gigabytes:.0f} GB: raise max_items if they are there, or use item_knn"
        )
    if gigabytes > free:
        raise ConfigError(
            f"{name}: the graph has {items} items, so the inverse needs about {gigabytes:.1f} GB, "
            f"and {free:.1f} GB are free: use item_knn"
        )
    seconds = items**3 / (_FLOPS * torch.get_num_threads())
    level = logging.WARNING if seconds > _LONG else logging.INFO
    logger.log(
        level, "%s: inverts a matrix of %d x %d: about %.1f GB for a moment, and %.0f seconds",
        name, items, items, gigabytes, seconds,
    )  # fmt: skip


def zero_diagonal_weights(gram: Tensor, l2_weight: float) -> Tensor:
    r"""Weights with a zero diagonal that reconstruct each column from the others.

    For :math:`G = Y^\top Y` the minimum of :math:`\lVert Y - YB \rVert_F^2 + \lambda \lVert B
    \rVert_F^2`:

    .. math::
        P = (G + \lambda I)^{-1}, \qquad
        B_{ij} = -\frac{P_{ij}}{P_{jj}} \; (i \ne j), \quad B_{jj} = 0

    Args:
        gram: G [I, I] float64, overwritten.
        l2_weight: :math:`\lambda`.

    Returns:
        B [I, I] float32.
    """
    gram.diagonal().add_(l2_weight)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram, out=gram))
    weights = inverse.div_(-inverse.diagonal().clone()).float()
    weights.diagonal().zero_()
    return weights
