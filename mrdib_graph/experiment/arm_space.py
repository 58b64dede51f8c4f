"""An arm's own settings: what is searched, what it has now, and how it gets others."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from mrdib_graph.experiment.arms import OWN, Arm, searched_like
from mrdib_graph.experiment.config import RunConfig, settings_name
from mrdib_graph.experiment.recommenders import backbone_class, build_loss
from mrdib_graph.options import parameters
from mrdib_graph.tuning import SearchSpace
from mrdib_graph.tuning.search_space import Dimensions

_OPTIONS = "backbone_options"
_LOSS_OPTIONS = "loss_options"


def arm_space(space: SearchSpace, arm: Arm) -> Dimensions:
    """What is searched of an arm."""
    names, left_out = searched_like(arm.name)
    loss = None if arm.loss is None else settings_name(arm.loss)
    found = space.of(arm.backbone_name, *names, loss=loss)
    return {key: dimension for key, dimension in found.items() if key not in left_out}


def with_values(config: RunConfig, arm: Arm, values: dict[str, Any]) -> RunConfig:
    """The configuration with settings of one arm."""
    settings = config.settings[arm.backbone_name]
    others = {k: own for k, own in settings.arms.items() if settings_name(k) != _key(arm)}
    [own] = [own for k, own in settings.arms.items() if settings_name(k) == _key(arm)] or [{}]
    own = copy.deepcopy(own)
    for key, value in values.items():
        part, dot, option = key.partition(".")
        if dot:
            own.setdefault(part, {})[option] = value
        else:
            own[key] = value
    changed = dataclasses.replace(settings, arms={**others, arm.name: own})
    return dataclasses.replace(config, settings={**config.settings, arm.backbone_name: changed})


def current_value(arm: Arm, key: str) -> Any:
    """What an arm has without being tuned: its own value, the backbone's, or the default."""
    part, _, option = key.partition(".")
    if part == _OPTIONS:
        default = _default(backbone_class(arm.backbone), option)
        return arm.backbone_options.get(option, default)
    if part == _LOSS_OPTIONS:
        return arm.loss_options.get(option, _default(type(build_loss(arm)), option))
    if key in OWN:
        return getattr(arm.trainer if key == "learning_rate" else arm, key)
    return arm.options.get(key, _default(arm.part, key))


def _key(arm: Arm) -> str:
    return settings_name(arm.name)


def _default(cls: type | None, option: str) -> Any:
    parameter = parameters(cls).get(option) if cls is not None else None
    return None if parameter is None else parameter.default
