"""The cheap estimate of an information profile for curves over epochs."""

from __future__ import annotations

from collections.abc import Sequence

from torch_geometric.data import HeteroData

from mrdib_graph.information.held_out_choices import HeldOut
from mrdib_graph.information.profile import information_profile
from mrdib_graph.information.profile_config import ProfileConfig
from mrdib_graph.typing import Embeddings, Metrics


def gaussian_curve(
    codes: Embeddings,
    data: HeteroData,
    split: HeldOut = "val",
    modalities: Sequence[str] | None = None,
    pairs: bool = False,
    seed: int = 0,
) -> Metrics:
    """Bits of each modality by the closed form of :class:`GaussianReader`: no probe, no folds.

    The same seed draws the same rows and candidates at every call, so a curve shows the codes.

    Args:
        codes: As for :func:`information_profile`.
        data: The graph, with its split.
        split: ``'val'``, ``'test'`` or ``'val+test'``.
        modalities: Names; None for every modality of the graph that has codes.
        pairs: Split pairs too; each solves a small convex problem.
        seed: Of rows and candidates.

    Returns:
        Values by tracker key, ``information/<m>/bits`` and those of the pairs.

    Raises:
        ConfigError: As for :func:`information_profile`.
        DataError: As for :func:`information_profile`.
    """
    config = ProfileConfig(
        rule="gaussian",
        split=split,
        candidates=4,
        bootstrap=100,
        max_interactions=5_000,
        directions=16,
        pairs=pairs,
        knock_out=(),
        seed=seed,
    )
    return information_profile(codes, data, config, modalities).metrics()
