"""Splits that look at all interactions at once: by points in time, and by items."""

from __future__ import annotations

import torch
from torch import Tensor

from mrdib_graph.errors import DataError

TRAIN, VAL, TEST = 0, 1, 2


def time_labels(time: Tensor, share: float, cuts: tuple[float, float] | None) -> Tensor:
    r"""Labels [E] by two points in time :math:`t_1 < t_2`.

    Training is :math:`t < t_1`, validation :math:`t_1 \le t < t_2`, test :math:`t \ge t_2`, so no
    training row is as late as a held-out one.  With :math:`h = \mathrm{int}(s E)` rows to hold
    out, :math:`t_1` is the time of the h-th latest row and :math:`t_2` that of the
    (h - h // 2)-th latest.  Rows of one time stay together, so the parts can be larger.

    Args:
        time: [E].
        share: s, of the rows.
        cuts: :math:`t_1, t_2` in the unit of ``time``; None takes them from ``share``.

    Raises:
        DataError: A part would be empty.
    """
    if cuts is None:
        held = int(share * time.numel())
        if held < 2:
            raise DataError(
                f"split 'global_time': a share of {share} of {time.numel()} interactions holds out "
                f"{held}, expected at least 2; use a larger share"
            )
        ordered = torch.sort(time).values
        first, second = ordered[-held], ordered[held // 2 - held]
    else:
        first, second = (torch.tensor(cut, dtype=torch.float64) for cut in cuts)
    label = (time >= first).long() + (time >= second).long()
    counts = torch.bincount(label, minlength=3).tolist()
    if 0 in counts:
        raise DataError(
            f"split 'global_time': {counts[0]} training, {counts[1]} validation and {counts[2]} "
            f"test interactions, cut at {first.item()} and {second.item()}, and times go from "
            f"{time.min().item()} to {time.max().item()}; no part may be empty: use other cuts or "
            "another share, or another rule where too many rows have the same time"
        )
    return label


def cold_item_labels(item: Tensor, share: float, seed: int) -> Tensor:
    """Labels [E] that hold out every interaction of some items.

    Of the items with an interaction, round(``share`` times their number) are drawn; the first half,
    rounded down, is validation, the rest test.  All else is training.  The draw depends on the
    seed and on which items have an interaction, on nothing else.

    Raises:
        DataError: Fewer than two items would be held out, or none would be left.
    """
    items = torch.unique(item)
    held = round(share * items.numel())
    if not 2 <= held < items.numel():
        raise DataError(
            f"split 'cold_items': a share of {share} of {items.numel()} items holds out {held}, "
            f"expected 2 to {items.numel() - 1}; use another share"
        )
    generator = torch.Generator().manual_seed(seed)
    drawn = items[torch.randperm(items.numel(), generator=generator)[:held]]
    label = torch.zeros(int(items[-1]) + 1, dtype=torch.int64)
    label[drawn[: held // 2]] = VAL
    label[drawn[held // 2 :]] = TEST
    return label[item]


def check_reachable(rule: str, user: Tensor, label: Tensor) -> dict[str, int]:
    """Count the held-out rows of users that have no training row.

    Such rows stay where they are, for in training they would give away what is held out; an
    evaluation leaves them out, since nothing is known of the user.

    Returns:
        The number of such rows in ``validation`` and in ``test``.

    Raises:
        DataError: Nothing else is left of a part.
    """
    trained = torch.bincount(user[label == TRAIN], minlength=int(user.max()) + 1) > 0
    lost = {}
    for name, value in (("validation", VAL), ("test", TEST)):
        held = user[label == value]
        lost[name] = int((~trained[held]).sum())
        if lost[name] == held.numel():
            raise DataError(
                f"split '{rule}': none of the {held.numel()} {name} interactions belongs to a user "
                "with training interactions; hold out less, or use another rule"
            )
    return lost
