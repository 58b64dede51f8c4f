"""Content cosine: items whose raw features are like those of the user's history, untrained."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.baselines.baseline import Baseline, SciPyMatrix
from mrdib_graph.errors import ConfigError


class ContentCosine(Baseline):
    r"""The cosine of an item's features with the user's profile; nothing is learned.

    With the rows :math:`\hat x_{m,i} = x_{m,i} / \lVert x_{m,i} \rVert`, 0 where an item lacks the
    modality, and the user's training items :math:`H_u`,

    .. math::
        p_{m,u} = \frac{1}{|H_u|} \sum_{j \in H_u} \hat x_{m,j}, \qquad
        y_{ui} = \frac1M \sum_m \cos(p_{m,u}, x_{m,i})

    It ranks cold items, for it reads no interaction of the item that is ranked: the floor of every
    trained score on them.  An item that lacks a modality scores 0 in it.

    Args:
        modalities: Which ones; all for None.

    Raises:
        ConfigError: An empty list.
    """

    reads_content = True

    def __init__(self, modalities: Sequence[str] | None = None) -> None:
        if modalities is not None and not modalities:
            raise ConfigError("modalities: got an empty list, expected names, or None for all")
        self.modalities = None if modalities is None else list(modalities)

    def _fit(self, data: HeteroData, train: SciPyMatrix) -> None:
        names = graph.modalities(data) if self.modalities is None else self.modalities
        if not names:
            raise ConfigError("contentcosine: the graph has no modality to compare items by")
        self._rows: list[tuple[Tensor, Tensor]] = []  # a modality: profiles [U, d], items [I, d]
        for modality in names:
            x = F.normalize(graph.item_features(data, modality)[0].cpu().float(), dim=1)
            profile = torch.from_numpy(train @ x.numpy())  # its length does not matter
            self._rows.append((F.normalize(profile, dim=1), x))

    def _score(self, users: Tensor, histories: SciPyMatrix) -> Tensor:  # noqa: ARG002
        cosines = [profile[users] @ x.T for profile, x in self._rows]
        return torch.as_tensor(sum(cosines) / len(cosines))
