"""The arms that a run compares: bare, MRdIB in its presets and ablations, and the controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch_geometric.data import HeteroData

from mrdib_graph import backbones, controls, graph, resolver
from mrdib_graph.backbones import Backbone
from mrdib_graph.backbones.late_fusion import LateFusion
from mrdib_graph.controls import Control
from mrdib_graph.errors import ConfigError, suggest
from mrdib_graph.experiment.config import Settings
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.nn import MissingCodes
from mrdib_graph.recommender import Recommender
from mrdib_graph.typing import Placement

PAPER: dict[str, Any] = {
    "estimator": "mine",
    "alpha_kl": 0.005,
    "alpha_redundancy": 0.05,
    "alpha_unique": 0.005,
    "mean": "linear",
    "decoder": "linear",
}
"""The method as published: MINE, the weights that the paper reports as best, every term."""

# Each ablation leaves one term of the arm mrdib out; mib leaves all but the bottleneck out.
_ABLATIONS: dict[str, dict[str, Any]] = {
    "mib": {"alpha_redundancy": 0.0, "alpha_unique": 0.0},
    "no-kl": {"alpha_kl": 0.0},
    "no-redundancy": {"alpha_redundancy": 0.0},
    "no-unique": {"alpha_unique": 0.0},
}

_CONTROLS: dict[str, type[Control]] = {
    "noise": controls.Noise,
    "id-dropout": controls.IDDropout,
    "modality-dropout": controls.ModalityDropout,
    "no-content": controls.NoContent,
    "split-l2": controls.SplitL2,
    "content-loss": controls.ContentLoss,
}

OBJECTIVES = ("bare", "mrdib", "paper", *_ABLATIONS, *_CONTROLS)
CONTROLS = tuple(_CONTROLS)
ABLATED = {name: tuple(without) for name, without in _ABLATIONS.items()}
"""Ablation to the options of the arm mrdib that it sets to 0."""

LATE = "-late"
"""Added to the name of an arm: the same on a :class:`~mrdib_graph.LateFusion`."""

ARM_KEYS = (
    *("reg_fused", "learning_rate", "placement", "backbone_options", "late_fusion"),
    "missing_codes",
)
"""Settings of an arm that are no options of MRdIB or of the control."""


def check_objective(name: str) -> None:
    """Raise a ``ConfigError`` with the nearest name for an unknown arm."""
    if without_late(name) not in OBJECTIVES:
        near = suggest(name.lower(), list(OBJECTIVES)) or "."
        raise ConfigError(
            f"arms: '{name}' is unknown{near} Choices: {', '.join(OBJECTIVES)}; each also "
            f"with {LATE}"
        )


def without_late(name: str) -> str:
    """The arm without :data:`LATE`."""
    return name.removesuffix(LATE)


def own_settings(settings: Settings, objective: str) -> dict[str, Any]:
    """An arm's own settings; one on late fusion starts from those of the arm without."""
    names = dict.fromkeys((without_late(objective), objective))
    return {k: v for name in names for k, v in settings.arms.get(name, {}).items()}


def on_late_fusion(settings: Settings, objective: str) -> bool:
    """Whether an arm stands on late fusion: by its name, or by its setting ``late_fusion``."""
    return objective.endswith(LATE) or bool(arm_value(settings, objective, "late_fusion", False))


def is_control(name: str) -> bool:
    """Whether an arm has no information term: a control, or late fusion with or without one."""
    return without_late(name) in CONTROLS or name == f"bare{LATE}"


def needs_modalities(name: str) -> bool:
    """Whether an arm has a meaning only on a backbone with modalities."""
    return without_late(name) != "bare"


def why_not(settings: Settings, objective: str, model: Backbone, data: HeteroData) -> str:
    """Why a backbone cannot have an arm; empty where it can."""
    late = on_late_fusion(settings, objective)
    if late and not graph.modalities(data):
        return "finds no modality in the graph"
    if needs_modalities(objective) and not late and not model.modalities:
        return "has no modality embeddings"
    learned = arm_value(settings, objective, "missing_codes", settings.missing_codes)
    if learned and not late and "inline" not in model.placements:
        return "has no modality row in its score for missing_codes"
    control = _CONTROLS.get(without_late(objective))
    if control is not None and control.needs_ids and not model.has_ids:
        return "has no ID rows"
    return ""


def backbone_class(name: str) -> type[Backbone]:
    """The class of a backbone by name or ``file.py:Class``."""
    cls: type[Backbone] = resolver.resolve_class(name, backbones, Backbone, "backbone")
    return cls


def arm_value(settings: Settings, objective: str, key: str, default: Any) -> Any:
    """An arm's own value of one of :data:`ARM_KEYS`, else the default.

    An ablation that has none of its own takes that of the arm mrdib.
    """
    base = without_late(objective)
    if base in _ABLATIONS:
        default = own_settings(settings, objective.replace(base, "mrdib")).get(key, default)
    return own_settings(settings, objective).get(key, default)


def build_backbone(
    backbone: str, data: HeteroData, settings: Settings, objective: str = "bare"
) -> Backbone:
    """A fresh backbone of the settings' options and the arm's own, sized for a graph."""
    own = arm_value(settings, objective, "backbone_options", {})
    options = {"embedding_dim": settings.embedding_dim, **settings.options, **own}
    model = backbone_class(backbone).from_data(data, **options)
    late = on_late_fusion(settings, objective)
    return LateFusion.from_data(data, inner=model) if late else model


def build_recommender(
    backbone: str,
    data: HeteroData,
    settings: Settings,
    objective: str,
) -> Recommender:
    """A fresh recommender of one arm; the caller seeds torch before.

    Args:
        backbone: Name or ``file.py:Class``.
        data: The graph.
        settings: The backbone's settings; those of the arm win.
        objective: The arm.

    Raises:
        ConfigError: An unknown name or option, or an arm that the backbone cannot have.
    """
    check_objective(objective)
    model = build_backbone(backbone, data, settings, objective)
    placement: Placement | None = arm_value(settings, objective, "placement", settings.placement)
    reg_fused = float(arm_value(settings, objective, "reg_fused", settings.reg_fused))
    if reason := why_not(settings, objective, model, data):
        raise ConfigError(
            f"arm {objective}: {type(model).__name__} {reason}, so there is nothing for it "
            "to act on; leave this arm out, or run this backbone bare"
        )
    part = build_part(settings, objective, model.modalities)
    mrdib = part if isinstance(part, MRdIB) else None
    control = part if isinstance(part, Control) else None
    missing = None
    if arm_value(settings, objective, "missing_codes", settings.missing_codes):
        missing = MissingCodes.from_data(data, model.modalities, model.embedding_dim)
    return Recommender(
        model,
        mrdib,
        placement=placement,
        control=control,
        reg_fused=reg_fused,
        missing_codes=missing,
    )


def part_class(objective: str) -> type[MRdIB] | type[Control] | None:
    """What an arm puts between a backbone's two functions; None for ``bare``."""
    base = without_late(objective)
    return None if base == "bare" else _CONTROLS.get(base, MRdIB)


def build_part(settings: Settings, objective: str, modalities: list[str]) -> MRdIB | Control | None:
    """MRdIB or the control of an arm; None for ``bare``.

    Raises:
        ConfigError: An option is unknown or out of range, or the ablation leaves nothing out.
    """
    what = f"arm {objective}"
    cls = part_class(objective)
    if cls is None:
        return None
    if without_late(objective) not in _CONTROLS:
        built: MRdIB | Control = resolver.build(
            cls,
            mrdib_options(settings, objective),
            what,
            modalities=modalities,
            embedding_dim=settings.embedding_dim,
        )
        return built
    options = arm_options(settings, objective)
    if without_late(objective) == "split-l2" and "weight" not in options:
        reg_fused = float(arm_value(settings, objective, "reg_fused", settings.reg_fused))
        options["weight"] = 0.6 * reg_fused  # the ID part regularised 1.6 times as hard
    built = resolver.build(cls, options, what, modalities=modalities)
    return built


def arm_options(settings: Settings, objective: str) -> dict[str, Any]:
    """An arm's settings that are options of MRdIB or of the control."""
    own = own_settings(settings, objective)
    return {key: value for key, value in own.items() if key not in ARM_KEYS}


def mrdib_options(settings: Settings, objective: str) -> dict[str, Any]:
    """Options of MRdIB in an arm.

    An ablation starts from the arm mrdib as it is set.
    """
    base = without_late(objective)
    if base == "paper":
        return {**PAPER, **arm_options(settings, objective)}
    options = arm_options(settings, objective.replace(base, "mrdib"))
    if base == "mrdib":
        return options
    alpha = options.get("alpha_kl", 0.0)
    has_kl = any(alpha.values()) if isinstance(alpha, Mapping) else bool(alpha)
    if base == "mib" and not has_kl:
        options["alpha_kl"] = PAPER["alpha_kl"]  # a bottleneck without kl compresses nothing
    if base == "no-kl" and not has_kl:
        raise ConfigError(
            "arm no-kl: the arm mrdib has alpha_kl 0 here, so there is no term to leave out; "
            "set --alpha-kl, or leave this arm out"
        )
    return {**options, **_ABLATIONS[base], **arm_options(settings, objective)}
