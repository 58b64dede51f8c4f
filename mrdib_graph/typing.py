"""Types that every part of the library shares, and the letters used in shape comments.

Shape letters: ``U`` users, ``I`` items, ``M`` modalities, ``d`` embedding width, ``d_m`` raw width
of modality m, ``w`` width of the fused tables, ``E`` edges, ``B`` batch, ``k`` cut-off, ``P`` pairs
of modalities, ``n`` rows of whatever is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
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


class LogQ(NamedTuple):
    r"""Logarithms of the probability q with which a pool's items are drawn.

    Shapes:
        ``positive`` [B] of the observed items; ``negative`` [n] of those of the pool.
    """

    positive: Tensor
    negative: Tensor


class Triplets(NamedTuple):
    """A training batch: users with one observed item each, and the items to compare it with.

    Shapes:
        ``user`` [B], ``pos_item`` [B]; ``neg_item`` [B, n], n for each observed item, or [n], a
        pool that all users of the batch share.  Of a pool: ``valid`` [B, n] bool says which items
        the user does not have in training; ``log_q`` how likely they were drawn, None where that
        does not matter; ``num_hardest`` how many of the best-scored are kept, 0 for all.
    """

    user: Tensor
    pos_item: Tensor
    neg_item: Tensor
    valid: Tensor | None = None
    log_q: LogQ | None = None
    num_hardest: int = 0

    @property
    def shared(self) -> bool:
        """Whether the negatives are one pool for all."""
        return self.neg_item.dim() == 1

    @property
    def items(self) -> Tensor:
        """The observed items, then the others: [B + B n], or [B + n] with a pool."""
        return torch.cat([self.pos_item, self.neg_item.flatten()])

    def own(self) -> Triplets:
        """With negatives of its own for each observed item: of a pool one for each, in turn."""
        if not self.shared:
            return self
        row = torch.arange(self.user.numel(), device=self.user.device)
        place = row % self.neg_item.numel()
        valid = None if self.valid is None else self.valid[row, place].unsqueeze(1)
        return Triplets(self.user, self.pos_item, self.neg_item[place].unsqueeze(1), valid)

    def to(self, device: torch.device) -> Triplets:
        """The batch on a device."""
        log_q = None if self.log_q is None else LogQ(*(q.to(device) for q in self.log_q))
        valid = None if self.valid is None else self.valid.to(device)
        ids = (self.user.to(device), self.pos_item.to(device), self.neg_item.to(device))
        return Triplets(*ids, valid, log_q, self.num_hardest)


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
