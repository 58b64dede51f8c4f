"""The base of all data sets: raw files or a generator in, one checked ``HeteroData`` out."""

from __future__ import annotations

import copy
import hashlib
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph


class MultimodalDataset(ABC):
    """A data set with one graph: ``dataset[0]`` is the ``HeteroData`` of :mod:`mrdib_graph.graph`.

    A subclass implements :meth:`load`.  The graph is loaded and validated at the first access, and
    each access returns a shallow copy, so transforms never change the data set.
    """

    name: str = ""
    """Short name, used in folders, tags and tables."""

    split_rule: str = "none"
    """The rule and seed that made the split, as recorded with a run."""

    def __init__(self) -> None:
        self._data: HeteroData | None = None

    @abstractmethod
    def load(self) -> HeteroData:
        """Build the graph."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> HeteroData:
        if index not in (0, -1):
            raise IndexError(f"{type(self).__name__} holds one graph; got index {index}")
        if self._data is None:
            data = self.load()
            graph.validate(data)
            self._data = data
        return copy.copy(self._data)

    @property
    def user_ids(self) -> list[str] | None:
        """Raw id of each user row, where the source has them."""
        return None

    @property
    def item_ids(self) -> list[str] | None:
        """Raw id of each item row, where the source has them."""
        return None

    @property
    def item_names(self) -> list[str] | None:
        """A readable name of each item row, where the source has them."""
        return None

    @property
    def feature_records(self) -> dict[str, dict[str, str | int | float]]:
        """Where each modality's rows came from, as short values; modalities without one absent."""
        return {}

    @property
    def digest(self) -> str:
        """SHA-256 of interactions, split and features: equal graphs have equal digests."""
        data = self[0]
        sha = hashlib.sha256()
        store = data[graph.INTERACTS]
        _update(sha, store.edge_index)
        for split in graph.SPLITS:
            if f"{split}_mask" in store:
                _update(sha, store[f"{split}_mask"])
        for modality in graph.modalities(data):
            sha.update(modality.encode())
            _update(sha, data[modality].x)
            _update(sha, data[graph.describes(modality)].edge_index)
        return sha.hexdigest()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, split_rule={self.split_rule!r})"


def _update(sha: hashlib._Hash, tensor: Tensor) -> None:
    sha.update(str((tuple(tensor.shape), tensor.dtype)).encode())
    block = max(1, 2**24 // max(1, tensor[:1].numel()))  # about 64 MB at a time: may be mapped
    for start in range(0, tensor.size(0), block):
        sha.update(tensor[start : start + block].contiguous().view(torch.uint8).numpy().tobytes())
