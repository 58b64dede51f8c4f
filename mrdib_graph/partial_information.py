"""The four parts of what two sources tell about a target.

Lives below every package, since both the data set with known parts and the profile that measures
them speak of it.
"""

from __future__ import annotations

from typing import NamedTuple


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
