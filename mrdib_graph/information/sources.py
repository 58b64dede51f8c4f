"""Sources of information: the user and item codes of one modality, ready for a probe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError, suggest
from mrdib_graph.typing import Embeddings


@dataclass(frozen=True)
class Source:
    """Two tables whose inner product scores a pair, ``s(u, i) = <z(u), z(i)>``, in float64.

    A probe scales the score as a whole and re-weights its first ``kept`` products ``z_k(u) z_k(i)``
    one by one.

    Shapes:
        ``user`` [U, d], ``item`` [I, d]; items have mean 0 under popularity, and an item without
        the modality has a row of zeros.
    """

    user: Tensor
    item: Tensor
    kept: int

    @property
    def empty(self) -> bool:
        """Whether every score is 0."""
        return not bool(self.user.any()) or not bool(self.item.any())


def make_source(
    user: Tensor, item: Tensor, popularity: Tensor, present: Tensor | None, directions: int
) -> Source:
    """Centre the item codes, clear missing rows and turn wide codes to principal directions.

    A shift of all item codes cancels in the softmax over items, so centring changes nothing but
    what an item without the modality gets: the score of an average item.

    Args:
        user: Codes of the users [U, d].
        item: Codes of the items [I, d].
        popularity: q over the items [I].
        present: Which items have the modality [I], None for all.
        directions: Codes wider than this are turned, see :func:`principal_directions`; 0 keeps the
            inner product alone, as for a fused score.
    """
    user, item = user.detach().cpu().double(), item.detach().cpu().double()
    weight = popularity if present is None else popularity * present
    scale = item.square().mean().sqrt()
    item = item - weight @ item / weight.sum().clamp_min(1e-300)
    if present is not None:
        item = item * present.unsqueeze(1)
    if float(item.abs().max()) < 1e-9 * float(scale):
        item = torch.zeros_like(item)  # equal rows: what is left is rounding
    if 0 < directions < user.size(1):
        user, item = principal_directions(user, item, popularity)
    return Source(user, item, min(directions, user.size(1)))


def principal_directions(user: Tensor, item: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Turn both sides so that the products ``z_k(u) z_k(i)`` are the score's principal parts.

    The inner product of every pair stays what it was; direction k carries the k-th largest share of
    the variance of the score over users and items.  Both sides turn together, so an invertible map
    of the codes that leaves the scores alone has no effect.

    Shapes:
        ``user`` [U, d], ``item`` [I, d], ``weight`` [I] -> [U, d'], [I, d'] with ``d' <= d``.
    """
    user_root, user_inverse = _roots(user.T @ user / user.size(0))
    item_root, item_inverse = _roots((item * weight.unsqueeze(1)).T @ item)
    left, strength, right = torch.linalg.svd(user_root @ item_root)
    keep = strength > 1e-12 * strength.max().clamp_min(1e-300)
    root = strength[keep].sqrt()
    user = user @ user_inverse @ left[:, keep] * root
    return user, item @ item_inverse @ right.T[:, keep] * root


def _roots(moment: Tensor) -> tuple[Tensor, Tensor]:
    """Symmetric root of a second moment and its pseudo-inverse."""
    axes, variance = principal_axes(moment, 1e-12)
    root = variance.sqrt()
    return (axes * root) @ axes.T, (axes / root) @ axes.T


def principal_axes(moment: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    """Axes [d, r] of a second moment [d, d] and the variance along each [r].

    Those below ``tolerance`` times the largest are left out: they hold rounding alone.
    """
    variance, axes = torch.linalg.eigh(moment)
    keep = variance > tolerance * variance.max().clamp_min(1e-300)
    return axes[:, keep], variance[keep]


def check_codes(codes: Embeddings, data: HeteroData) -> None:
    """Check codes against a graph.

    Raises:
        DataError: A side or a table is missing, its rows are not those of the graph, the two sides
            of a name have different widths, or a value is not finite.
    """
    sizes = {graph.USER: graph.num_users(data), graph.ITEM: graph.num_items(data)}
    for side in sizes:
        if side not in codes:
            raise DataError(f"codes: '{side}' is missing, got {', '.join(codes) or 'nothing'}")
    if set(codes[graph.USER]) != set(codes[graph.ITEM]):
        raise DataError(
            f"codes: users have {', '.join(codes[graph.USER])}, items have "
            f"{', '.join(codes[graph.ITEM])}; give both sides of every name (where users have no "
            "rows of their own, the vectors that score the modality)"
        )
    for name in codes[graph.USER]:
        for side, rows in sizes.items():
            table = codes[side][name]
            if table.dim() != 2 or table.size(0) != rows:
                raise DataError(
                    f"codes: '{name}' of {side}s has shape {tuple(table.shape)}, expected [{rows}, "
                    "d]: the rows must be those of the graph"
                )
            if not bool(torch.isfinite(table).all()):
                raise DataError(
                    f"codes: {int((~torch.isfinite(table)).sum())} values of '{name}' of {side}s "
                    "are NaN or infinite; check that training did not diverge"
                )
        widths = [codes[side][name].size(1) for side in sizes]
        if widths[0] != widths[1]:
            raise DataError(
                f"codes: '{name}' is {widths[0]} wide for users and {widths[1]} for items; the "
                "score is their inner product, so both need one width"
            )


def select_modalities(
    codes: Embeddings, data: HeteroData, modalities: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """Modalities to split, and the backbone's own names (such as ``'id'``), which join no pair.

    Raises:
        ConfigError: A wanted modality has no codes or comes twice.
        DataError: There is no modality with codes.
    """
    available = list(codes[graph.ITEM])
    known = graph.modalities(data)
    chosen = [name for name in known if name in available] if modalities is None else modalities
    for name in chosen:
        if name not in available:
            raise ConfigError(
                f"modalities: '{name}' has no codes{suggest(name, available)} Codes: "
                f"{', '.join(available)}"
            )
    if len(set(chosen)) < len(chosen):
        raise ConfigError(f"modalities: a name comes twice in {', '.join(chosen)}")
    if not chosen:
        raise DataError(
            f"codes: none of {', '.join(available) or 'no names'} is a modality of the graph "
            f"({', '.join(known) or 'none'})"
        )
    return list(chosen), [n for n in available if n not in chosen and n not in known]


def present_items(data: HeteroData, modality: str) -> Tensor | None:
    """Which items have a modality [I] bool; None where the name is not one of the graph's."""
    if modality not in graph.modalities(data):
        return None
    present = torch.zeros(graph.num_items(data), dtype=torch.bool)
    present[data[graph.describes(modality)].edge_index[1].cpu()] = True
    return present
