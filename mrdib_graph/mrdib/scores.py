"""How a batch scores: the one value that MRdIB's terms read beside the codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from torch import Tensor


class Scores(NamedTuple):
    """Scores of a batch by all codes together and by each alone.

    A score is whatever the target's loss reads: :class:`~mrdib_graph.losses.PairScores` of a
    ranking, logits of a classifier.
    """

    fused: Any = None
    """By the fused codes."""

    alone: Mapping[str, Any] = {}
    """By each code alone.  A lazy mapping makes a score when it is first asked for, so that a term
    that is off costs nothing."""

    masks: Mapping[str, Tensor] = {}
    """Modality to the item rows that have it [n] bool; all have one that is left out.  A masked row
    enters no term."""


def on_top_of(score: Any, others: Iterable[Any]) -> Any:
    """A score on top of those of others, through which no gradient flows.

    Tensors are added; scores of another type have a method ``beside(others)`` that does it.
    """
    if not isinstance(score, Tensor):
        return score.beside(others)
    for other in others:
        score = score + other.detach()
    return score
