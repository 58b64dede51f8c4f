"""An arm to a recommender."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch_geometric.data import HeteroData

from mrdib_graph import backbones, losses, resolver
from mrdib_graph.backbones import Backbone
from mrdib_graph.backbones.late_fusion import LateFusion
from mrdib_graph.controls import Control
from mrdib_graph.errors import ConfigError
from mrdib_graph.losses import RankingLoss
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.nn import MissingCodes
from mrdib_graph.recommender import Recommender

if TYPE_CHECKING:
    from mrdib_graph.experiment.arms import Arm


def build_recommender(arm: Arm, data: HeteroData) -> Recommender:
    """A fresh recommender of one arm, sized for a graph; the caller seeds torch before.

    Raises:
        ConfigError: The backbone cannot have the arm, or an option is unknown or out of range.
    """
    model = build_backbone(arm, data)
    if reason := arm.why_not(model, data):
        raise ConfigError(
            f"arm {arm.name}: {type(model).__name__} {reason}, so there is nothing for it to act "
            "on; leave this arm out, or run this backbone bare"
        )
    part = build_part(arm, model.modalities)
    missing = None
    if arm.missing_codes:
        missing = MissingCodes.from_data(data, model.modalities, model.embedding_dim)
    return Recommender(
        model,
        part if isinstance(part, MRdIB) else None,
        ranking_loss=build_loss(arm),
        placement=arm.placement,
        control=part if isinstance(part, Control) else None,
        reg_fused=arm.reg_fused,
        missing_codes=missing,
    )


def build_backbone(arm: Arm, data: HeteroData) -> Backbone:
    """A fresh backbone of an arm, on late fusion where the arm is."""
    options = {"embedding_dim": arm.embedding_dim, **arm.backbone_options}
    model = backbone_class(arm.backbone).from_data(data, **options)
    return LateFusion.from_data(data, inner=model) if arm.late_fusion else model


def build_part(arm: Arm, modalities: Sequence[str]) -> MRdIB | Control | None:
    """MRdIB or the control of an arm; None for ``bare``.

    Raises:
        ConfigError: An option is unknown or out of range.
    """
    if arm.part is None:
        return None
    given = {"embedding_dim": arm.embedding_dim} if issubclass(arm.part, MRdIB) else {}
    built: MRdIB | Control = resolver.build(
        arm.part, arm.options, f"arm {arm.name}", modalities=modalities, **given
    )
    return built


def build_loss(arm: Arm) -> RankingLoss | None:
    """The ranking loss of an arm; None where none was named.

    Raises:
        ConfigError: An option is unknown or out of range, or is set without a loss.
    """
    if arm.loss is None:
        if arm.loss_options:
            raise ConfigError(
                f"loss_options of arm {arm.name}: got {', '.join(arm.loss_options)} without a "
                "loss; name it with loss"
            )
        return None
    built: RankingLoss = resolver.make(
        arm.loss, losses, RankingLoss, f"loss of arm {arm.name}", arm.loss_options
    )
    return built


def backbone_class(name: str) -> type[Backbone]:
    """The class of a backbone by name or ``file.py:Class``."""
    cls: type[Backbone] = resolver.resolve_class(name, backbones, Backbone, "backbone")
    return cls
