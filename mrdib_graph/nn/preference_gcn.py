"""One modality on the user-item graph, with a free preference vector for each user."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import LeakyReLU, Linear, Module, Parameter, Sequential, init

from mrdib_graph.options import NonNegative, NonNegativeInt, checked
from mrdib_graph.sparse import SparseMatrix


class PreferenceGCN(Module):
    r"""The encoder of one modality in `"DualGNN: Dual Graph Neural Network for Multimedia
    Recommendation" <https://doi.org/10.1109/TMM.2021.3138298>`_.

    .. math::
        f = W_2\,\mathrm{lrelu}(W_1 x + b_1) + b_2, \qquad
        h^{(0)} = n([p; f]), \qquad h^{(l)} = S h^{(l-1)}, \qquad e = \sum_{l=0}^{L} h^{(l)}

    with p the users' free vectors, n the division of a row by its norm and S the symmetric
    user-item graph.  With ``noise`` :math:`\epsilon > 0` every hop becomes, in training mode,
    :math:`h^{(l)} = S h^{(l-1)} + \epsilon\,\mathrm{sign}(S h^{(l-1)}) \odot n(u)` with u uniform
    in [0, 1), from `"MENTOR: Multi-level Self-supervised Learning for Multimodal Recommendation"
    <https://arxiv.org/abs/2402.19407>`_.

    Args:
        num_users: U.
        in_channels: d_m.
        embedding_dim: d.
        hidden_channels: Width between the two maps.
        num_layers: L.
        noise: :math:`\epsilon`; the draws come from torch's default generator.

    Shapes:
        ``x`` [I, d_m], ``mask`` [I] (which items have the modality), ``user_item`` [U + I, U + I]
        -> users [U, d], items [I, d].  An item without the modality starts at 0 and ends at 0.
    """

    @checked
    def __init__(
        self,
        num_users: int,
        in_channels: int,
        embedding_dim: int = 64,
        hidden_channels: int = 256,
        num_layers: NonNegativeInt = 2,
        noise: NonNegative = 0.0,
    ) -> None:
        super().__init__()
        self.num_layers = num_layers
        self.noise = noise
        self.preference = Parameter(torch.empty(num_users, embedding_dim))
        init.xavier_normal_(self.preference)
        self.project = Sequential(
            Linear(in_channels, hidden_channels),
            LeakyReLU(),
            Linear(hidden_channels, embedding_dim),
        )

    def forward(
        self, x: Tensor, mask: Tensor | None, user_item: SparseMatrix
    ) -> tuple[Tensor, Tensor]:
        """Users and items of this modality."""
        item = F.normalize(self.project(x.to(self.preference.dtype)), dim=1, eps=1e-12)
        keep = None if mask is None else mask.unsqueeze(1).to(item.dtype)
        item = item if keep is None else item * keep
        user = F.normalize(self.preference, dim=1, eps=1e-12)
        rows = self.propagate(torch.cat([user, item]), user_item)
        user, item = torch.split(rows, [user.size(0), item.size(0)])
        return user, item if keep is None else item * keep

    def propagate(self, h: Tensor, user_item: SparseMatrix) -> Tensor:
        """The sum over the hops [U + I, d]."""
        total = h
        for _ in range(self.num_layers):
            h = user_item @ h
            if self.noise and self.training:
                direction = F.normalize(torch.rand_like(h), dim=1, eps=1e-12)
                h = h + self.noise * h.detach().sign() * direction
            total = total + h
        return total

    def extra_repr(self) -> str:
        """Options shown by ``print``."""
        return f"num_layers={self.num_layers}, noise={self.noise}"
