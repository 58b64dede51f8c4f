"""The arms that a run compares: bare, MRdIB in its presets and ablations, and the controls.

:func:`build_arms` is the one place that reads names of arms; everything after it reads values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch_geometric.data import HeteroData

from mrdib_graph import baselines, graph, resolver
from mrdib_graph.backbones import Backbone
from mrdib_graph.baselines import Baseline
from mrdib_graph.controls import Control
from mrdib_graph.errors import ConfigError
from mrdib_graph.experiment.checks import check_settings
from mrdib_graph.experiment.config import OwnSettings, Placement, RunConfig, Settings, settings_name
from mrdib_graph.experiment.presets import LATE, ArmName, part_of, read_name
from mrdib_graph.experiment.recommenders import build_backbone, build_loss, build_part
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.recommender import check_loss
from mrdib_graph.training import TrainerConfig
from mrdib_graph.training.loss_sampler import loss_sampler

OWN = tuple(f.name for f in dataclasses.fields(OwnSettings))
"""Settings of an arm that are no options of its part."""


@dataclass(frozen=True)
class Arm:
    """A backbone, what stands between its two functions, and how that is trained.

    Attributes:
        backbone: Name, or ``file.py:Class``.
        name: ``'bare'``, ``'mrdib'``, ``'no-kl'``, a control's name; ``'bare-late'`` where late
            fusion was asked for by name.
        part: MRdIB or a control; None for the backbone alone.
        options: Of the part.
        backbone_options: Of the backbone.
        embedding_dim: d.
        late_fusion: Whether it stands on :class:`~mrdib_graph.LateFusion`.
        missing_codes: Whether items learn codes for what they lack.
        placement: Where MRdIB stands; None for the backbone's own.
        loss: Ranking loss: name, or ``file.py:Class``; for None BPR, or a backbone's own loss.
        loss_options: Of the loss.
        reg_fused: Weight of the L2 term on fused rows.
        trainer: Settings of the trainer, with the arm's learning rate.
        partner: Name of the fair comparison, which has the same structure without the part; None
            for bare.
    """

    backbone: str
    name: str
    part: type[MRdIB] | type[Control] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    backbone_options: Mapping[str, Any] = field(default_factory=dict)
    embedding_dim: int = 64
    late_fusion: bool = False
    missing_codes: bool = False
    placement: Placement | None = None
    loss: str | None = None
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    reg_fused: float = 0.0
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    partner: str | None = None

    @property
    def backbone_name(self) -> str:
        """The backbone's name in settings and tables."""
        return settings_name(self.backbone)

    @property
    def label(self) -> str:
        """Name in folders and runs."""
        return f"{self.backbone_name}-{self.name}"

    @property
    def is_control(self) -> bool:
        """Whether it has no information term, and is more than the backbone."""
        return self.name != "bare" and (self.part is None or issubclass(self.part, Control))

    def to_dict(self) -> dict[str, Any]:
        """Its values as plain ones, the part by its name."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        part = None if self.part is None else self.part.__name__
        values |= {"part": part, "trainer": dataclasses.asdict(self.trainer)}
        return {"backbone": values.pop("backbone"), "arm": values.pop("name"), **values}

    def why_not(self, model: Backbone, data: HeteroData) -> str:
        """Why it cannot be had on a backbone; empty where it can."""
        if self.late_fusion and not graph.modalities(data):
            return "finds no modality in the graph"
        if self.part is not None and not self.late_fusion and not model.modalities:
            return "has no modality embeddings"
        if self.missing_codes and not self.late_fusion and "inline" not in model.placements:
            return "has no modality row in its score for missing_codes"
        control = self.part is not None and issubclass(self.part, Control) and self.part
        return "has no ID rows" if control and control.needs_ids and not model.has_ids else ""


def build_arms(config: RunConfig) -> list[Arm]:
    """The arms of a configuration, for each of its backbones, and the partners they lack.

    Every name, option and value is checked that does not need the data.

    Raises:
        ConfigError: Something is unknown, with the nearest name, or cannot be.
        MissingExtraError: A setting needs a package that is absent.
    """
    names = [read_name(name).full for name in config.arms]
    check_settings(config)
    arms = []
    for backbone in trained_backbones(config):
        settings = config.settings[settings_name(backbone)]
        asked = [build_arm(settings, backbone, name) for name in config.arms]
        partners = dict.fromkeys(arm.partner for arm in asked if arm.late_fusion and arm.part)
        asked += [build_arm(settings, backbone, p) for p in partners if p and p not in names]
        for arm in asked:
            part, loss = build_part(arm, _modalities(arm)), build_loss(arm)
            loss_sampler(loss, arm.trainer)
            if isinstance(part, MRdIB) and loss is not None:
                check_loss(part, loss)
        arms += asked
    return arms


def build_arm(settings: Settings, backbone: str, name: str) -> Arm:
    """One arm by name; its own settings win over the backbone's.

    An ablation starts from the arm mrdib, one on late fusion from the same arm without.

    Raises:
        ConfigError: The name is unknown, or there is nothing for the arm to leave out.
    """
    arm = read_name(name)
    start = _own(settings, "mrdib", arm.late) if arm.preset.ablation else {}
    own = _own(settings, arm.base, arm.late)
    merged = start | own
    part = part_of(arm, merged)
    reg_fused = float(merged.get("reg_fused", settings.reg_fused))
    late = arm.late or bool(merged.get("late_fusion", False))
    rate = merged.get("learning_rate", settings.trainer.learning_rate)
    return Arm(
        backbone=backbone,
        name=arm.full,
        part=part,
        options=_options(arm, start, own, reg_fused),
        backbone_options={**settings.options, **merged.get("backbone_options", {})},
        embedding_dim=settings.embedding_dim,
        late_fusion=late,
        missing_codes=bool(merged.get("missing_codes", settings.missing_codes)),
        placement=merged.get("placement", settings.placement),
        loss=merged.get("loss", settings.loss),
        loss_options={**settings.loss_options, **merged.get("loss_options", {})},
        reg_fused=reg_fused,
        trainer=dataclasses.replace(settings.trainer, learning_rate=float(rate)),
        partner=_partner(settings, arm.full, late),
    )


def possible_arms(
    arms: Sequence[Arm], data: HeteroData, say: Callable[[str], object] = print
) -> list[Arm]:
    """The arms that their backbones can have on a graph; the others are named with the reason.

    Raises:
        ConfigError: A backbone cannot be trained on sampled subgraphs, as an arm asks for.
    """
    models: dict[str, Backbone] = {}
    possible = []
    for arm in arms:
        plain = dataclasses.replace(arm, late_fusion=False)
        key = f"{arm.backbone} {arm.backbone_options}"
        if key not in models:
            models[key] = build_backbone(plain, data)
            if arm.trainer.loader == "neighbor":
                models[key].check_sampled()
        if reason := arm.why_not(models[key], data):
            say(f"{arm.backbone_name} {reason}: the arm {arm.name} is left out")
        else:
            possible.append(arm)
    return possible


def trained_backbones(config: RunConfig) -> list[str]:
    """The backbones of a configuration without its closed-form baselines."""
    closed = resolver.choices(baselines, Baseline)
    return [name for name in config.backbone if resolver.key(name) not in closed]


def searched_like(name: str) -> tuple[list[str], Collection[str]]:
    """Arms whose search space an arm takes, each adding to those before, and what it leaves out.

    An ablation searches what the arm mrdib does, less what it sets itself, so that it takes
    nothing from how that one was tuned.  An arm on late fusion searches what the arm without does.
    """
    arm = read_name(name)
    bases = ["mrdib", arm.base] if arm.preset.ablation else [arm.base]
    names = [f"{bases[0]}{suffix}" for suffix in ("", LATE)[: 1 + arm.late]]
    return list(dict.fromkeys([*names, arm.base, arm.full])), (
        arm.preset.sets if arm.preset.ablation else ()
    )


def _options(
    arm: ArmName, start: Mapping[str, Any], own: Mapping[str, Any], reg_fused: float
) -> dict[str, Any]:
    """Options of the part: those of the arm that it starts from < what its preset sets < own."""
    options = _of_part(start)
    needs = arm.preset.needs
    if needs is not None and not _has(options, needs):
        raise ConfigError(
            f"arm {arm.base}: the arm mrdib has {needs} 0 here, so there is no term to leave out; "
            f"set --{needs.replace('_', '-')}, or leave this arm out"
        )
    options |= {key: v for key, v in arm.preset.fills.items() if not _has(options, key)}
    options |= {**arm.preset.sets, **_of_part(own)}
    if arm.part is not None and issubclass(arm.part, Control):
        options = {**arm.part.default_options(reg_fused), **options}
    return options


def _of_part(own: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in own.items() if key not in OWN}


def _own(settings: Settings, base: str, late: bool) -> dict[str, Any]:
    """An arm's own settings; one on late fusion starts from those of the arm without."""
    names = [base, f"{base}{LATE}"] if late else [base]
    own = {settings_name(name): values for name, values in settings.arms.items()}
    return {k: v for name in names for k, v in own.get(settings_name(name), {}).items()}


def _has(options: Mapping[str, Any], key: str) -> bool:
    """Whether a weight is above 0; of one for each modality, any of them."""
    value = options.get(key, 0.0)
    return any(value.values()) if isinstance(value, Mapping) else bool(value)


def _partner(settings: Settings, name: str, late: bool) -> str | None:
    """Bare on the same structure."""
    if name == "bare":
        return None
    same = late == bool(_own(settings, "bare", False).get("late_fusion", False))
    return "bare" if same or not late or name == f"bare{LATE}" else f"bare{LATE}"


def _modalities(arm: Arm) -> list[str]:
    """Modalities to build with before the data's own are known: those that an option names."""
    named = [str(m) for v in arm.options.values() if isinstance(v, Mapping) for m in v]
    return list(dict.fromkeys([*named, "a", "b"]))
