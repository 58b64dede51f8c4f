"""Users take over what their companions are like."""

from __future__ import annotations

from typing import Any, Literal, Self

import torch
from torch import Generator, Tensor
from torch.nn import Module

from mrdib_graph.options import Count, checked
from mrdib_graph.sparse import SparseMatrix

Pad = Literal["resample", "none"]


class UserGraphConv(Module):
    r"""One product with the user graph of `"DualGNN: Dual Graph Neural Network for Multimedia
    Recommendation" <https://doi.org/10.1109/TMM.2021.3138298>`_.

    .. math::
        y_u = \sum_{s=1}^{k} \mathrm{softmax}_s(c_{u v_s})\, x_{v_s}

    over k slots of companions v with counts c of shared items.  A user with fewer than k companions
    has empty slots:

    * ``'resample'`` (the release): each empty slot, in turn, copies one of the slots before it,
      drawn uniformly; a new draw for every epoch, in use until the next one, in eval mode too.
    * ``'none'``: empty slots stay empty, so the softmax is over the true list.

    A user without any has y = 0.  Copies of one companion are one edge of a larger weight.

    Args:
        k: Slots.
        pad: One of the two.

    Shapes:
        ``x`` [U, d] and ``counts`` [U, U], at most k in a row -> [U, d].
    """

    @checked
    def __init__(self, k: Count = 40, pad: Pad = "resample") -> None:
        super().__init__()
        self.k = k
        self.pad = pad
        self.draw_seed: Tensor  # part of the state, so a run resumes inside an epoch
        self.register_buffer("draw_seed", torch.zeros((), dtype=torch.int64))
        self._last: tuple[int, SparseMatrix, SparseMatrix] | None = None  # seed, counts, result

    def draw(self, generator: Generator) -> None:
        """Fill the empty slots anew."""
        seed = torch.randint(2**62, (), generator=generator, device=generator.device)
        self.draw_seed.copy_(seed)

    def forward(self, x: Tensor, counts: SparseMatrix) -> Tensor:
        """Weighted sum over the companions."""
        return self.matrix(counts) @ x

    def matrix(self, counts: SparseMatrix) -> SparseMatrix:
        """The weights [U, U] of the current draw."""
        seed = int(self.draw_seed)
        if self._last is None or self._last[0] != seed or self._last[1] is not counts:
            weights = companion_weights(counts, self.k, seed if self.pad == "resample" else None)
            self._last = (seed, counts, weights)
        return self._last[2]

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        """Move to a device or type; what was cached for the old one is forgotten."""
        self._last = None
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call, no-any-return]

    def extra_repr(self) -> str:
        """Options shown by ``print``."""
        return f"k={self.k}, pad={self.pad!r}"


@torch.no_grad()
def companion_weights(counts: SparseMatrix, k: int, seed: int | None) -> SparseMatrix:
    """Softmax over k slots of the counts; empty slots are filled by a draw, or left for None."""
    row, size = counts.row, counts.crow.diff()
    slot = torch.arange(counts.nnz, device=row.device) - counts.crow[row]
    logit = counts.value.new_full((size.numel(), k), -torch.inf)
    logit[row, slot] = counts.value
    if seed is not None:
        logit += slot_copies(size, k, seed).log()  # n copies of a slot weigh n times as much
    return counts.with_values(logit.softmax(1)[row, slot])


def slot_copies(size: Tensor, k: int, seed: int) -> Tensor:
    """How many of k slots show each companion, as empty ones copy earlier ones [U, k].

    Drawn on the CPU, so a seed gives the same draw on every device.
    """
    device, size = size.device, size.cpu()
    copies = (torch.arange(k) < size.unsqueeze(1)).float()
    short = ((size > 0) & (size < k)).nonzero().squeeze(1)
    draw = torch.rand(short.numel(), k, generator=Generator().manual_seed(seed))
    shown = torch.arange(k).repeat(short.numel(), 1)
    for slot in range(1, k):
        earlier = (draw[:, slot] * slot).long().clamp(max=slot - 1)
        copy = shown.gather(1, earlier.unsqueeze(1)).squeeze(1)
        shown[:, slot] = torch.where(size[short] <= slot, copy, slot)
    copies[short] = torch.zeros(short.numel(), k).scatter_add_(1, shown, torch.ones_like(draw))
    return copies.to(device)
