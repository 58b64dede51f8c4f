"""Noise of fixed variance on the modality embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mrdib_graph.controls.control import Control
from mrdib_graph.options import NonNegative, checked
from mrdib_graph.row_names import rows_of
from mrdib_graph.typing import Embeddings


class Noise(Control):
    r"""Adds normal noise of fixed strength to every modality row in training.

    The noise is :math:`\sigma\,\bar s\,\varepsilon`, with standard normal :math:`\varepsilon`.
    :math:`\bar s` is the root mean square of the rows, so the strength is relative.  What a
    stochastic bottleneck gains beyond this comes from what it learns, not from being noisy.

    Args:
        modalities: Names of the modality rows.
        std: :math:`\sigma`, relative to the rows' own scale.
    """

    @checked
    def __init__(self, modalities: Sequence[str], std: NonNegative = 0.1) -> None:
        super().__init__(modalities)
        self.std = std

    def perturb(self, rows: Embeddings, generator: torch.Generator | None = None) -> Embeddings:
        """Noisy rows in training."""
        if not self.training:
            return rows
        noisy = {}
        for node_type, of_type in rows.items():
            noisy[node_type] = dict(of_type)
            for name in (n for m in self.modalities for n in rows_of(of_type, m)):
                x = of_type[name]
                scale = self.std * x.detach().square().mean().sqrt()
                draw = torch.empty_like(x).normal_(generator=generator)
                # a zero row is a missing modality and stays one
                noisy[node_type][name] = x + scale * draw * (x.detach() != 0).any(1, keepdim=True)
        return noisy
