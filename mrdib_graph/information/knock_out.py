"""The knock-out table: what ranking loses when one modality is replaced by something empty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.evaluation import Evaluator, EvaluatorConfig
from mrdib_graph.information.sources import present_items
from mrdib_graph.typing import Embeddings, Metrics

Kind = Literal["mean", "shuffle", "noise"]
Tables = tuple[Tensor, Tensor]
FusedScore = Callable[[Sequence[str]], Tables]
Fuse = Callable[[Embeddings], Tables]


class KnockOut(NamedTuple):
    """Ranking and bits of the fused score without one source, and the drop from the full one."""

    name: str
    kind: str
    metrics: Metrics
    drop_percent: Metrics
    bits: float
    drop_bits: float


def replace_codes(
    codes: Embeddings, data: HeteroData, name: str, kind: Kind, generator: torch.Generator
) -> Embeddings:
    """Codes with the user and item rows of one name replaced by rows that tell nothing.

    ``'mean'``: every row is the mean; ``'shuffle'``: a random permutation of the rows, the same
    marginal without meaning, which also injects misleading preferences; ``'noise'``: Gaussian rows
    with the same mean and covariance.  Items without the modality keep their rows.

    Args:
        codes: Codes of every name.
        data: The graph, which knows the items that lack a modality.
        name: The name to replace.
        kind: What to put in its place.
        generator: Of the permutation and the noise.
    """
    out = {side: dict(tables) for side, tables in codes.items()}
    for side in (graph.USER, graph.ITEM):
        table = codes[side][name]
        present = present_items(data, name) if side == graph.ITEM else None
        rows = slice(None) if present is None else present.to(table.device)
        out[side][name] = table.clone()
        out[side][name][rows] = _empty(table[rows], kind, generator)
    return out


def fused_score_by_mean(codes: Embeddings, data: HeteroData, fuse: Fuse) -> FusedScore:
    """The fused tables of some names, all others replaced by their mean."""

    def score(kept: Sequence[str]) -> Tables:
        now = codes
        for name in codes[graph.ITEM]:
            if name not in kept:
                now = replace_codes(now, data, name, "mean", torch.Generator())
        return fuse(now)

    return score


def knock_out_table(
    codes: Embeddings,
    data: HeteroData,
    names: Sequence[str],
    kinds: Sequence[Kind],
    fused_score: FusedScore,
    fuse: Fuse | None,
    bits: Callable[[Tables], float],
    split: str,
    seed: int,
) -> tuple[KnockOut, ...]:
    """Rank all items with each source knocked out in turn; nothing is trained.

    Args:
        codes: Codes of every name.
        data: The graph.
        names: Sources to knock out.
        kinds: Replacements.
        fused_score: The fused user and item table of the names that are kept.
        fuse: The same from codes; None where ``'mean'`` is the only kind.
        bits: Information of fused tables.
        split: ``'val'`` or ``'test'``.
        seed: Of permutations and noise.
    """
    evaluator = Evaluator(data, EvaluatorConfig(metrics=("recall", "ndcg")))
    generator = torch.Generator().manual_seed(seed)
    full = fused_score(names)
    full_metrics, full_bits = evaluator(*full, split).mean, bits(full)
    rows = []
    for kind in kinds:
        for name in names:
            if kind == "mean" or fuse is None:
                without = fused_score([n for n in names if n != name])
            else:
                without = fuse(replace_codes(codes, data, name, kind, generator))
            metrics, left = evaluator(*without, split).mean, bits(without)
            drop = {
                key: 100 * (1 - metrics[key] / value) if value > 0 else 0.0
                for key, value in full_metrics.items()
            }
            rows.append(KnockOut(name, kind, metrics, drop, left, full_bits - left))
    return tuple(rows)


def _empty(rows: Tensor, kind: Kind, generator: torch.Generator) -> Tensor:
    if kind == "mean":
        return rows.mean(0, keepdim=True).expand_as(rows).clone()
    if kind == "shuffle":
        return rows[torch.randperm(rows.size(0), generator=generator).to(rows.device)]
    mean = rows.mean(0)
    noise = torch.randn(rows.shape, generator=generator, dtype=rows.dtype).to(rows.device)
    variance, axes = torch.linalg.eigh((rows - mean).T @ (rows - mean) / rows.size(0))
    drawn: Tensor = mean + noise * variance.clamp_min(0).sqrt() @ axes.T
    return drawn
