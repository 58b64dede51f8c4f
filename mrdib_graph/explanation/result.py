"""The explanation of one score, and how a person reads it."""

from __future__ import annotations

from dataclasses import dataclass

COLLABORATIVE = "collaborative"
"""The player that holds the backbone's own item rows: ``'id'``, and all that are no modality's."""

_BAR = 24


@dataclass(frozen=True)
class Explanation:
    """What made one user's score of one item: ``score = base + sum of the contributions``.

    All numbers are in the unit of the score, which has none: compare within a user.

    Attributes:
        user: Row of the user.
        item: Row of the item.
        score: Inner product of the fused rows of user and item.
        base: The user's score where every item row is the mean over items.
        contributions: Shapley value of each player: a modality, or ``'collaborative'``.
        rank: Place among the items that the user does not have in training, 1 for the best; for
            an item that she has, the place that it would take.
        num_unseen: How many items the user does not have in training.
        seen: Whether the item is among the user's training items.
        missing: Players whose modality the item lacks.  They contribute too: what it changes to
            have none instead of an average one.
    """

    user: int
    item: int
    score: float
    base: float
    contributions: dict[str, float]
    rank: int
    num_unseen: int
    seen: bool
    missing: tuple[str, ...]

    @property
    def shares(self) -> dict[str, float]:
        """Each contribution's part of the sum of their sizes, 0 to 1; all 0 if that sum is 0."""
        total = sum(abs(value) for value in self.contributions.values())
        return {
            name: abs(value) / total if total else 0.0 for name, value in self.contributions.items()
        }

    def table(self) -> str:
        """Contributions as text, the largest first, with a bar of ``+`` or ``-`` as long as it is.

        The percentage is that of :attr:`shares`.
        """
        shares = self.shares
        width = max(len(name) for name in (*self.contributions, "contribution"))
        lines = [f"{'part':<{width}}  {'contribution':>12}  {'share':>6}"]
        largest = max(shares.values(), default=0.0) or 1.0
        ordered = sorted(self.contributions.items(), key=lambda pair: -abs(pair[1]))
        for name, value in ordered:
            bar = ("+" if value > 0 else "-") * round(_BAR * shares[name] / largest)
            note = "(the item has none)" if name in self.missing else ""
            text = f"{name:<{width}}  {value:>+12.4f}  {shares[name]:>6.1%}  {bar}  {note}"
            lines.append(text.rstrip())
        lines.append(f"{'base':<{width}}  {self.base:>12.4f}")
        lines.append(f"{'score':<{width}}  {self.score:>12.4f}")
        return "\n".join(lines)
