"""How many of a user's candidates are scored below each held-out item."""

from __future__ import annotations

import torch
from torch import Tensor

_CACHED = 2**22
"""Scores that are compared at once."""


def share_below(scores: Tensor, place: Tensor, item: Tensor, ranked: Tensor) -> Tensor:
    r"""For each held-out item the share of the other candidates below it, equal ones one half.

    .. math:: \frac{1}{|N|} \sum_{n \in N} \big(\mathbf 1[y_p > y_n] +
              \tfrac12 \mathbf 1[y_p = y_n]\big)

    The other candidates N are those that are neither masked nor held out.  Where there is none the
    share is 1/2.

    Args:
        scores: [b, I], minus infinity where an item is masked; overwritten.
        place: Row of each held-out item [p], at least one, on the CPU like all but the scores.
        item: Its id [p].
        ranked: Candidates of each row [b], held-out items among them.

    Returns:
        Shares [p] float64 on the CPU.
    """
    others = (ranked - place.bincount(minlength=ranked.numel()))[place]
    place, item = place.to(scores.device), item.to(scores.device)
    own = scores[place, item].unsqueeze(1)
    scores[place, item] = torch.nan  # neither above nor equal to anything
    above, equal = [], []
    step = max(1, _CACHED // scores.size(1))
    for start in range(0, place.numel(), step):
        rows = slice(start, start + step)
        compared = scores[place[rows]]
        above.append((compared > own[rows]).sum(1, dtype=torch.int32))
        equal.append((compared == own[rows]).sum(1, dtype=torch.int32))
    greater = torch.cat(above).cpu()
    # a held-out item at minus infinity equals the masked ones too, which are no candidates
    same = torch.minimum(torch.cat(equal).cpu(), others - greater)
    share = 1 - (greater.double() + same.double() / 2) / others.clamp(min=1)
    return torch.where(others > 0, share, 0.5)
