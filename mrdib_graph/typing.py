"""Types that every part of the library shares, and the letters used in shape comments.

Shape letters: ``U`` users, ``I`` items, ``M`` modalities, ``d`` embedding width, ``d_m`` raw width
of modality m, ``w`` width of the fused tables, ``E`` edges, ``B`` batch, ``k`` cut-off, ``P`` pairs
of modalities, ``n`` rows of whatever is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from torch import Tensor

Rows = dict[str, Tensor]
"""Name (a modality, or the backbone's own such as ``'id'``) to rows ``[n, d]``."""

Embeddings = dict[str, Rows]
"""Node type (``'user'``, ``'item'``) to its named rows."""

Terms = dict[str, Tensor]
"""Name of a loss term to its unweighted scalar, as logged."""

Metrics = dict[str, float]
"""Metric name such as ``'recall@20'`` to its value."""


Placement = Literal["inline", "auxiliary"]
"""Where MRdIB stands: the backbone fuses the codes, or its own embeddings."""


class Triplets(NamedTuple):
    """A training batch: users with one observed and one or more sampled items.

    Shapes:
        ``user`` [B], ``pos_item`` [B], ``neg_item`` [B, n] with n sampled negatives a row.
    """

    user: Tensor
    pos_item: Tensor
    neg_item: Tensor


class GaussianCode(NamedTuple):
    """A code behind the bottleneck, ``z ~ N(mean, diag(exp(log_var)))``.

    Shapes:
        ``mean``, ``sample`` [n, d]; ``log_var`` [n, d], or None for a deterministic code.  In eval
        mode ``sample`` is ``mean``.
    """

    mean: Tensor
    log_var: Tensor | None
    sample: Tensor

    def take(self, index: Tensor) -> GaussianCode:
        """The codes of some rows."""
        log_var = None if self.log_var is None else self.log_var.index_select(0, index)
        mean, sample = (x.index_select(0, index) for x in (self.mean, self.sample))
        return GaussianCode(mean, log_var, sample)


Codes = dict[str, GaussianCode]
"""Modality to its codes, as :data:`Rows` are rows."""


class Fused(NamedTuple):
    """What ``Backbone.fuse`` returns: the scored rows, and what a loss of the backbone reads.

    Shapes:
        ``out`` [n, w]; every view ``[n, *]``.  The ``context`` is of the whole table, of any shape.
    """

    out: Tensor
    views: Mapping[str, Tensor] = {}
    context: Mapping[str, Tensor] = {}

    def take(self, index: Tensor) -> Fused:
        """Some of the rows, with the context as it is."""
        views = {name: view.index_select(0, index) for name, view in self.views.items()}
        return Fused(self.out.index_select(0, index), views, self.context)
