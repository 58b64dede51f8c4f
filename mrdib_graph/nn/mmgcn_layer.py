"""One layer of MMGCN: what the neighbours show, beside what the node itself shows."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Linear, Module, init


class MMGCNLayer(Module):
    r"""MMGCN's aggregation and combination, from `"MMGCN: Multi-modal Graph Convolution Network for
    Personalized Recommendation of Micro-video" <https://doi.org/10.1145/3343031.3351034>`_
    (Wei et al., MM 2019).

    With :math:`\bar x` the means of x over each node's neighbours, IDs z and
    :math:`\phi` the leaky ReLU of slope 0.01,

    .. math::
        a = \phi(\bar x C), \qquad s = \phi(H x + b_H) + z, \qquad
        y = \phi(G [a \,|\, s] + b_G)

    C is square, so it may be applied (by :attr:`neighbor`) before or after the means are taken:
    the caller does it where there are fewer rows.

    Args:
        in_channels: c.
        embedding_dim: d.
        first: Whether it is the first layer, whose G starts Xavier normal as C and H do; that of
            a later one has the default start of ``Linear``.

    Shapes:
        ``x`` and ``seen`` [n, c], ``ids`` [n, d] -> [n, d].
    """

    def __init__(self, in_channels: int, embedding_dim: int, first: bool = False) -> None:
        super().__init__()
        self.neighbor = Linear(in_channels, in_channels, bias=False)
        self.own = Linear(in_channels, embedding_dim)
        self.combine = Linear(in_channels + embedding_dim, embedding_dim)
        for linear in (self.neighbor, self.own, *((self.combine,) if first else ())):
            init.xavier_normal_(linear.weight)

    def forward(self, x: Tensor, seen: Tensor, ids: Tensor) -> Tensor:
        """The next rows, from ``seen``, the means times C; row by row."""
        a = F.leaky_relu(seen)
        s = F.leaky_relu(self.own(x), inplace=True) + ids
        of_a, of_s = torch.split(self.combine.weight, [a.size(1), s.size(1)], dim=1)
        # two products instead of one of [a | s], which would have to be copied together
        both = F.linear(a, of_a, self.combine.bias)
        # one in place is left alone by autocast, which may have halved the first
        both = both.addmm_(s.to(both.dtype), of_s.t().to(both.dtype))
        return F.leaky_relu(both, inplace=True)
