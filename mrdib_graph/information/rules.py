"""Rules that part the information of a pair of modalities, each a choice of the union V."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from mrdib_graph.information.gaussian_union import UnionResult, gaussian_union
from mrdib_graph.information.held_out_choices import HeldOutChoices
from mrdib_graph.information.pid import broja
from mrdib_graph.information.sources import Source
from mrdib_graph.partial_information import PartialInformation

Rule = Literal["union", "mmi", "dependency", "gaussian", "broja_binned"]
NUM_BINS = 6


def redundant(
    rule: Rule, i1: Tensor, i2: Tensor, i12: Tensor, additive: Tensor, overlap: Tensor
) -> Tensor:
    """Redundant bits, kept in ``[max(0, i1 + i2 - i12), min(i1, i2)]``; any shapes that broadcast.

    ``'union'`` and ``'gaussian'``: ``overlap * (i1 + i2)``; ``'mmi'``: ``V = max(i1, i2)``;
    ``'dependency'``: ``V = min(additive, i1 + i2)``.
    """
    total = i1 + i2
    if rule == "mmi":
        shared = torch.minimum(i1, i2)
    elif rule == "dependency":
        shared = total - torch.minimum(additive, total)
    else:
        shared = overlap * total
    floor = (total - i12).clamp_min(0)
    return torch.minimum(torch.maximum(shared, floor), torch.minimum(i1, i2))


def pair_union(
    sources: tuple[Source, Source],
    weights: tuple[Tensor, Tensor],
    rows: HeldOutChoices,
    row_weight: Tensor | None = None,
) -> UnionResult:
    """Gaussian union of two sources read with the product weights [d] of their own probes."""
    users, at = rows.users
    weight = torch.ones(at.numel()) if row_weight is None else row_weight
    user_weight = torch.zeros(users.numel(), dtype=torch.float64).index_add_(0, at, weight.double())
    z = [s.item[:, : s.kept] for s in sources]
    beta = [(s.user[users] * w)[:, : s.kept] for s, w in zip(sources, weights, strict=True)]
    return gaussian_union(z[0], z[1], beta[0], beta[1], rows.popularity, user_weight)


def scores(source: Source, weights: Tensor, rows: HeldOutChoices) -> Tensor:
    """Score of the positive, then of the candidates, of each row [n, 1 + c]."""
    items = torch.cat([rows.item.unsqueeze(1), rows.candidates], 1)
    reader = source.user[rows.user] * weights
    return (reader.unsqueeze(1) * source.item[items]).sum(2)


def total_correlation(score: list[Tensor]) -> float:
    r"""Shared bits of several scores under popularity, :math:`-\frac12 \log_2 \det corr`.

    Scores that never vary are left out.  Eigenvalues are kept above 1e-12, so scores that determine
    each other read as about 20 bits rather than infinity.

    Args:
        score: For each modality, the scores of sampled candidates, all of one shape.
    """
    varying = [s.flatten() for s in score if float(s.std()) > 0]
    if len(varying) < 2:
        return 0.0
    eigenvalues = torch.linalg.eigvalsh(torch.corrcoef(torch.stack(varying)))
    return max(0.0, -0.5 * float(eigenvalues.clamp_min(1e-12).log2().sum()))


def binned_split(
    first: Tensor, second: Tensor, row_weight: Tensor | None = None
) -> PartialInformation:
    """BROJA of two scores in 6 x 6 quantile bins; target: which of two items is the positive.

    A source is the score of the first item minus that of the second; both orders count half.  The
    target is one bit and a modality one number, so this reads less than the other rules.

    Shapes:
        ``first``, ``second`` [n, 1 + c], the positive first; ``row_weight`` [n].
    """
    weight = torch.ones(first.size(0)) if row_weight is None else row_weight
    lead = [s[:, :1] - s[:, 1:] for s in (first, second)]  # [n, c]
    bins = [_bins(torch.stack([d, -d], 2)) for d in lead]  # [n, c, 2]
    cell = (bins[0] * NUM_BINS + bins[1]) * 2 + torch.arange(2)
    mass = weight.double().view(-1, 1, 1).expand(cell.shape)
    table = torch.zeros(NUM_BINS * NUM_BINS * 2, dtype=torch.float64)
    table.index_add_(0, cell.flatten(), mass.flatten())
    return broja(table.view(NUM_BINS, NUM_BINS, 2), tolerance=1e-7)


def _bins(score: Tensor) -> Tensor:
    edges = torch.linspace(0, 1, NUM_BINS + 1, dtype=torch.float64)[1:-1]
    sample = score.flatten()[:: max(1, score.numel() // 1_000_000)]
    return torch.bucketize(score, torch.quantile(sample, edges))
