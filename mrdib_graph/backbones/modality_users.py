"""A user row for each modality, on backbones whose modalities describe items only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch.nn import Module, ModuleDict
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.backbones.backbone import embedding
from mrdib_graph.backbones.messages import history_messages
from mrdib_graph.options import checked
from mrdib_graph.subgraph import Messages, table_rows
from mrdib_graph.transforms import UserHistoryGraph
from mrdib_graph.typing import Rows

UserSide = Literal["fused", "mean", "vector"]


class ModalityUsers(Module):
    """What scores a modality's item code alone, read by the unique term only.

    * ``'fused'``: nothing here; the user's scored row does.
    * ``'mean'``: the mean of the modality's rows over the user's training items.
    * ``'vector'``: a learned vector per user and modality.

    Args:
        kind: One of the three.
        num_users: U.
        modalities: Names.
        embedding_dim: d.
    """

    @checked
    def __init__(
        self, kind: UserSide, num_users: int, modalities: Sequence[str], embedding_dim: int
    ) -> None:
        super().__init__()
        self.kind = kind
        names = modalities if kind == "vector" else []
        self.vectors = ModuleDict({m: embedding(num_users, embedding_dim) for m in names})

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The graph that the mean is taken over, where it is."""
        return (UserHistoryGraph("mean"),) if self.kind == "mean" else ()

    def messages(self, data: HeteroData) -> list[Messages]:
        """Those that the mean takes, where it is taken."""
        return [history_messages(data, "mean", 1)] if self.kind == "mean" else []

    def forward(self, data: HeteroData, items: Rows) -> Rows:
        """User rows ``{m: [U, d]}`` from item rows ``{m: [I, d]}``; empty for ``'fused'``."""
        if self.kind == "mean":
            return {m: graph.user_history(data) @ x for m, x in items.items()}
        return {m: table_rows(t, data, graph.USER) for m, t in self.vectors.items()}  # type: ignore[arg-type]
