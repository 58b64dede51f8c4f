"""The four parts of what two sources tell about a target.

Lives below every package, since both the data set with known parts and the profile that measures
them speak of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self


class PartialInformation(NamedTuple):
    """Redundant, unique and synergistic information of a pair of sources, in bits.

    With ``I_1``, ``I_2`` and ``I_12`` what each source and both together tell, and the union ``V``
    what they tell without being joined::

        R = I_1 + I_2 - V     U_1 = V - I_2,  U_2 = V - I_1     S = I_12 - V

    so that ``R + U_1 + U_2 + S = I_12`` (Williams and Beer, arXiv 1004.2515).  A part may come out
    slightly below zero where it was measured.
    """

    redundant: float
    """R: either source tells it."""

    unique: tuple[float, float]
    """U_1 and U_2: only the first, or only the second, tells it."""

    synergistic: float
    """S: only both together tell it."""

    total: float
    """I_12: the sum of the parts."""

    @property
    def parts(self) -> tuple[float, float, float, float, float]:
        """R, U_1, U_2, S and the total."""
        return (self.redundant, *self.unique, self.synergistic, self.total)

    @classmethod
    def from_parts(cls, parts: Sequence[float]) -> Self:
        """The inverse of :attr:`parts`."""
        redundant, first, second, synergistic, total = parts
        return cls(redundant, (first, second), synergistic, total)

    @classmethod
    def from_union(cls, i1: float, i2: float, i12: float, union: float) -> Self:
        """The parts of a choice of V."""
        return cls(i1 + i2 - union, (union - i2, union - i1), i12 - union, i12)
