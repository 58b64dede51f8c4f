"""Items and users as members of learned hyperedges: two hops reach every item."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor
from torch.nn import Module

from mrdib_graph.options import Count, Positive, Probability, checked


class Hypergraph(Module):
    r"""Message passing over soft hyperedges, from `"LGMRec: Local and Global Graph Learning for
    Multimodal Recommendation" <https://arxiv.org/abs/2312.16400>`_.

    With memberships :math:`a` of the items and :math:`b` of the users in h hyperedges,

    .. math::
        y^{(0)} = x, \qquad l^{(k)} = \tfrac{h}{I}\, a^\top y^{(k-1)}, \qquad
        y^{(k)} = a\, l^{(k)}, \qquad g = b\, l^{(H)}

    where a row of a membership is a softmax of the node's logits over :math:`\tau`; in training
    with Gumbel noise, and then dropout.  One draw of a and b serves a whole call.

    Args:
        num_layers: H.
        temperature: :math:`\tau`.
        dropout: Probability that an entry of a or b is set to 0; the others grow by its inverse.

    Shapes:
        ``x`` [I, d], ``item_logits`` [I, h], ``user_logits`` [U, h], ``mask`` [I] bool or None ->
        g [U, d] and :math:`y^{(H)}` [I, d].

    Note:
        The paper sums over a hyperedge's members; the factor h / I is ours.  It is the same for
        every row, so nothing changes that normalises rows, and many layers on many items do not
        overflow.
    """

    @checked
    def __init__(
        self, num_layers: Count = 1, temperature: Positive = 0.2, dropout: Probability = 0.0
    ) -> None:
        super().__init__()
        self.num_layers = num_layers
        self.temperature = temperature
        self.dropout = dropout

    def memberships(self, logits: Tensor, mask: Tensor | None = None) -> Tensor:
        """Rows that sum to 1 over the hyperedges [n, h]; all 0 for a node outside the mask."""
        if self.training:
            rows = F.gumbel_softmax(logits, self.temperature, dim=-1)
        else:
            rows = (logits / self.temperature).softmax(-1)
        return rows if mask is None else rows * mask.unsqueeze(1)

    def forward(
        self, x: Tensor, item_logits: Tensor, user_logits: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """User rows and item rows; items outside the mask are in no hyperedge and get zeros."""
        items = F.dropout(self.memberships(item_logits, mask), self.dropout, self.training)
        users = F.dropout(self.memberships(user_logits), self.dropout, self.training)
        scale = items.size(1) / items.size(0)
        edges = scale * (items.T @ x)  # [h, d]
        for _ in range(self.num_layers - 1):
            edges = scale * (items.T @ (items @ edges))
        return users @ edges, items @ edges

    def extra_repr(self) -> str:
        """Options shown by ``print``."""
        return (
            f"num_layers={self.num_layers}, temperature={self.temperature}, dropout={self.dropout}"
        )
