"""What DualGNN, DRAGON and MENTOR have in common: one GCN per modality, and weights per user."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import Module, ModuleDict, Parameter, init
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError
from mrdib_graph.nn import PreferenceGCN
from mrdib_graph.typing import Rows

WEIGHTS = "modality_weights"
"""Name of the user rows that hold w [U, M]."""


class PreferenceEncoders(Module):
    """A :class:`PreferenceGCN` for each modality.

    Args:
        num_users: U.
        in_channels: Raw width of each modality, one or more.
        embedding_dim: d.
        num_layers: Hops on the user-item graph.
        noise: Noise after each hop, in training.

    Raises:
        ConfigError: There is no modality.
    """

    def __init__(
        self,
        num_users: int,
        in_channels: Mapping[str, int],
        embedding_dim: int,
        num_layers: int = 2,
        noise: float = 0.0,
    ) -> None:
        super().__init__()
        if not in_channels:
            raise ConfigError("in_channels: the graph has no modality, expected one or more")
        self.gcn = ModuleDict(
            {
                m: PreferenceGCN(num_users, d, embedding_dim, num_layers=num_layers, noise=noise)
                for m, d in in_channels.items()
            }
        )

    def forward(self, data: HeteroData) -> tuple[Rows, Rows]:
        """User rows and item rows of every modality."""
        user_item = graph.user_item_graph(data, "sym")
        users, items = {}, {}
        for m, gcn in self.gcn.items():
            users[m], items[m] = gcn(*graph.item_features(data, m), user_item)
        return users, items

    def regulariser(self, users: Tensor, weights: Tensor) -> Tensor:
        r"""Mean squares :math:`\sum_m \overline{p_{m,u}^2} + \overline{w^2}`, users [B] -> []."""
        tables = [gcn.get_parameter("preference") for gcn in self.gcn.values()]
        means = [table[users].square().mean() for table in tables]
        return torch.stack([*means, weights.square().mean()]).sum()


def user_weights(num_users: int, num_modalities: int) -> Parameter:
    """Weights [U, M] of the modalities for each user, near 1 / M at first and free afterwards."""
    start = torch.empty(num_users, num_modalities, 1)
    init.xavier_normal_(start)
    return Parameter(start.squeeze(-1).softmax(1))


def weighted(h: Rows, modalities: list[str]) -> list[Tensor]:
    """Each modality's user rows times the user's weight of it, M tensors [n, d]."""
    columns = torch.split(h[WEIGHTS], 1, dim=1)
    return [w * h[m] for w, m in zip(columns, modalities, strict=True)]
