"""Names of the rows that backbones make: the one place that knows how late fusion writes them.

A backbone's rows are named after a modality or by the backbone (``'id'``).  Late fusion has more
rows of a modality ``m``: its share of the joint code, ``'joint/m'``, and the rows that the backbone
inside makes of it, ``'backbone/m'``.  The joint code itself is ``'joint'``.
"""

from __future__ import annotations

from collections.abc import Iterable

JOINT = "joint"
"""Name of a code of all modalities together, and of the user rows that score it."""


def joint_share(modality: str) -> str:
    """Name of a modality's share of the joint code."""
    return f"{JOINT}/{modality}"


def of_inner_backbone(modality: str) -> str:
    """Name of the rows that the backbone inside a late fusion makes of a modality."""
    return f"backbone/{modality}"


def in_inner_backbone(name: str) -> str:
    """What the backbone inside calls the rows that late fusion knows by a name."""
    return name.removeprefix("backbone/")


def modality_of(name: str) -> str:
    """The modality whose content a row holds; the name itself where it is no modality's."""
    return name.rpartition("/")[2]


def rows_of(names: Iterable[str], modality: str) -> list[str]:
    """Which of some names hold a modality's content."""
    return [name for name in names if modality_of(name) == modality]
