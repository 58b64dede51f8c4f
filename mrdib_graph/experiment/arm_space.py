"""An arm's own settings: what is searched, what it has now, and how it gets others."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from typing import Any

from mrdib_graph.experiment.arm import ArmSpec
from mrdib_graph.experiment.config import RunConfig, Settings, settings_name
from mrdib_graph.experiment.objectives import (
    ABLATED,
    ARM_KEYS,
    arm_options,
    arm_value,
    backbone_class,
    mrdib_options,
    on_late_fusion,
    part_class,
    without_late,
)
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.tuning import SearchSpace
from mrdib_graph.tuning.search_space import Dimensions

_OPTIONS = "backbone_options"


def arm_space(space: SearchSpace, backbone: str, objective: str) -> Dimensions:
    """What is searched of an arm; an ablation searches what the arm mrdib does, less its own.

    So an ablation takes nothing from how the arm mrdib was tuned.  An arm on late fusion searches
    what the arm without does, and what the file gives it beside.
    """
    base = without_late(objective)
    if base not in ABLATED:
        return space.of(backbone, *dict.fromkeys((base, objective)))
    of_mrdib = ("mrdib", objective.replace(base, "mrdib"))
    found = space.of(backbone, *dict.fromkeys((*of_mrdib, base, objective)))
    return {key: dim for key, dim in found.items() if key not in ABLATED[base]}


def with_values(config: RunConfig, spec: ArmSpec, values: dict[str, Any]) -> RunConfig:
    """The configuration with settings of one arm."""
    name = settings_name(spec.backbone)
    settings = config.settings[name]
    own = copy.deepcopy(settings.arms.get(spec.name, {}))
    for key, value in values.items():
        part, dot, option = key.partition(".")
        if dot:
            own.setdefault(part, {})[option] = value
        else:
            own[key] = value
    objectives = {**settings.arms, spec.name: own}
    changed = dataclasses.replace(settings, arms=objectives)
    return dataclasses.replace(config, settings={**config.settings, name: changed})


def current_value(settings: Settings, spec: ArmSpec, key: str) -> Any:
    """What an arm has without being tuned: its own value, the backbone's, or the default."""
    arm = spec.name
    part, _, option = key.partition(".")
    if part == _OPTIONS:
        options = {**settings.options, **arm_value(settings, arm, _OPTIONS, {})}
        return options.get(option, _default(backbone_class(spec.backbone), option))
    if key in ARM_KEYS:
        common = settings.trainer if key == "learning_rate" else settings
        default = on_late_fusion(settings, arm) if key == "late_fusion" else getattr(common, key)
        return arm_value(settings, arm, key, default)
    cls = part_class(arm)
    options = mrdib_options(settings, arm) if cls is MRdIB else arm_options(settings, arm)
    return options.get(key, _default(cls, key))


def _default(cls: type | None, option: str) -> Any:
    parameter = inspect.signature(cls).parameters.get(option) if cls is not None else None
    return None if parameter is None else parameter.default
