"""The compression term: what the codes of each modality cost."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mrdib_graph.losses import kl_to_standard_normal
from mrdib_graph.typing import GaussianCode

Codes = dict[str, GaussianCode]


def divergences(
    codes: Mapping[str, Codes], modality: str, masks: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """KL in nats of every code of a modality, by node type: ``{type: [n]}``.

    Args:
        codes: Node type to its codes.
        modality: The modality.
        masks: Modality to the item rows that have it [n] bool; the others are left out.
    """
    rows = {}
    for node_type, of_type in codes.items():
        if modality in of_type:
            kl = kl_to_standard_normal(of_type[modality])
            mask = masks.get(modality) if node_type == "item" else None
            rows[node_type] = kl if mask is None else kl[mask]
    return rows


def mean_over_nodes(rows: Mapping[str, Tensor]) -> Tensor:
    """Mean of :func:`divergences` over all nodes, whatever their type; 0 of none."""
    return _mean(torch.cat(list(rows.values())))


def per_interaction(rows: Mapping[str, Tensor], counts: Mapping[str, int]) -> Tensor:
    r"""What the codes cost an interaction in the evidence bound, in nats.

    There a code is paid for once for each node and a ranking loss once for each interaction:

    .. math::
        \sum_t \frac{N_t}{N}\, \overline{\mathrm{KL}}_t

    with :math:`N_t` nodes of type t, N interactions, and means over the nodes of the batch.

    Args:
        rows: As :func:`divergences` gives them.
        counts: Node type to its number of nodes, and ``'interactions'`` to theirs.
    """
    parts = [_mean(kl) * counts[t] / max(1, counts["interactions"]) for t, kl in rows.items()]
    return torch.stack(parts).sum()


def _mean(x: Tensor) -> Tensor:
    return x.sum() / max(1, x.numel())
