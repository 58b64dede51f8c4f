"""What can be refused before any data is read: unknown names, options and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mrdib_graph import backbones, baselines, resolver
from mrdib_graph.backbones import Backbone
from mrdib_graph.baselines import Baseline
from mrdib_graph.errors import ConfigError, suggest
from mrdib_graph.evaluation import EvaluatorConfig
from mrdib_graph.evaluation.metrics import metric_names
from mrdib_graph.experiment.config import PLACEMENTS, RunConfig, Settings, settings_name
from mrdib_graph.experiment.objectives import (
    ARM_KEYS,
    backbone_class,
    build_part,
    check_objective,
    part_class,
)
from mrdib_graph.loader import check_sampler
from mrdib_graph.options import NonNegative, Positive, check_options, mismatch
from mrdib_graph.training import TrainerConfig, resolve_device

_GIVEN = {"modalities", "embedding_dim"}
_STAND_IN = ["a", "b"]  # two modalities, where no option names any
_PER_MODALITY = ("alpha_kl", "free_bits")


def check_settings(config: RunConfig, names: Sequence[str]) -> None:
    """Check every name, option and value of a configuration that does not need the data.

    Args:
        config: The configuration, composed.
        names: Its backbones, without closed-form baselines.

    Raises:
        ConfigError: Something is unknown, with the nearest name, or cannot be.
        MissingExtraError: A setting needs a package that is absent.
    """
    for objective in config.arms:
        check_objective(objective)
    known = [*resolver.choices(backbones, Backbone), *resolver.choices(baselines, Baseline)]
    known += [settings_name(name) for name in config.backbone]
    for name in config.settings:
        if name not in known:
            raise ConfigError(
                f"settings: backbone '{name}' is unknown{suggest(name, known) or '.'} "
                f"Known: {', '.join(sorted(set(known)))}"
            )
    for name in names:
        settings = config.settings[settings_name(name)]
        what = f"backbone {settings_name(name)}"
        given = {"num_users", "num_items", "in_channels", "embedding_dim"}
        check_options(backbone_class(name), settings.options, what, given)
        if settings.trainer.seed != TrainerConfig.seed:
            raise ConfigError(f"{what}: trainer.seed is set by --seeds; leave it out")
        resolve_device(settings.trainer.device)
        _check_monitor(settings.trainer.monitor)
        if settings.trainer.loader == "neighbor":
            check_sampler()
        for objective, own in settings.arms.items():
            arm = f"{what}, arm {objective}"
            extra = own.get("backbone_options", {})
            if not isinstance(extra, dict):
                raise ConfigError(f"{arm}: backbone_options: got {extra!r}, expected options")
            check_options(backbone_class(name), extra, arm, given)
        _check_arms(settings, config.arms)


def _check_monitor(monitor: str) -> None:
    known = metric_names(EvaluatorConfig.metrics, EvaluatorConfig.cutoffs)
    if monitor not in known:
        raise ConfigError(
            f"monitor: '{monitor}' is unknown{suggest(monitor, known) or '.'} "
            f"Known: {', '.join(known)}"
        )


def _check_arms(settings: Settings, arms: Sequence[str]) -> None:
    for objective, own in settings.arms.items():
        check_objective(objective)
        cls = part_class(objective)
        what = f"arm {objective}"
        if cls is not None:
            check_options(cls, own, what, _GIVEN, ARM_KEYS)
        for key, value in own.items():
            if cls is None and key not in ARM_KEYS:
                near = suggest(key, list(ARM_KEYS)) or "."
                raise ConfigError(
                    f"{what}: option '{key}' is unknown{near} Options: {', '.join(ARM_KEYS)}"
                )
            _check_arm_value(what, key, value)
    for objective in arms:
        build_part(settings, objective, _stand_in(settings))


def _stand_in(settings: Settings) -> list[str]:
    """Modalities to build with before the data's own are known: those that an option names."""
    values = [own.get(key) for own in settings.arms.values() for key in _PER_MODALITY]
    named = [str(m) for value in values if isinstance(value, Mapping) for m in value]
    return list(dict.fromkeys([*named, *_STAND_IN]))


def _check_arm_value(what: str, key: str, value: Any) -> None:
    if key == "placement":
        good, expected = value in PLACEMENTS, " or ".join(PLACEMENTS)
    elif key == "reg_fused":
        good, expected = not mismatch(key, value, NonNegative), "0 or more"
    elif key in ("late_fusion", "missing_codes"):
        good, expected = isinstance(value, bool), "true or false"
    elif key == "learning_rate":
        good, expected = not mismatch(key, value, Positive), "more than 0"
    else:
        return
    if not good:
        raise ConfigError(f"{what}: {key}: got {value!r}, expected {expected}")
