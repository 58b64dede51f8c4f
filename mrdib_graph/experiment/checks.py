"""What can be refused before any data is read: unknown names, options and values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from mrdib_graph import backbones, baselines, resolver
from mrdib_graph.backbones import Backbone
from mrdib_graph.baselines import Baseline
from mrdib_graph.errors import ConfigError, suggest
from mrdib_graph.evaluation.chosen_metrics import chosen_metrics
from mrdib_graph.experiment import old_schema
from mrdib_graph.experiment.config import OwnSettings, RunConfig, settings_name
from mrdib_graph.experiment.presets import part_of, read_name
from mrdib_graph.experiment.recommenders import backbone_class
from mrdib_graph.experiment.run_metrics import evaluator_config
from mrdib_graph.loader import check_sampler
from mrdib_graph.metrics import Metric
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.options import check_options, parameters
from mrdib_graph.training import TrainerConfig
from mrdib_graph.training.callback import callback_class
from mrdib_graph.training.device import resolve_device
from mrdib_graph.training.optimizer import optimizer_class

_SIZES = {"num_users", "num_items", "in_channels", "embedding_dim"}
_GIVEN = {"modalities", "embedding_dim"}
_OWN = tuple(f.name for f in dataclasses.fields(OwnSettings))


def check_settings(config: RunConfig) -> None:
    """Check the metrics, the settings of every backbone, and names and options of arms in them.

    Raises:
        ConfigError: Something is unknown, with the nearest name, or cannot be.
        MissingExtraError: A setting needs a package that is absent.
    """
    evaluation = evaluator_config(config)
    metrics = {m.name: m for m in chosen_metrics(evaluation.metrics, evaluation.cutoffs)}
    known = [*resolver.choices(backbones, Backbone), *resolver.choices(baselines, Baseline)]
    known += [settings_name(name) for name in config.backbone]
    for name in config.settings:
        if name not in known:
            raise ConfigError(
                f"settings: backbone '{name}' is unknown{suggest(name, known) or '.'} "
                f"Known: {', '.join(sorted(set(known)))}"
            )
    asked = {settings_name(name): name for name in config.arms}
    for backbone in config.backbone:
        if settings_name(backbone) in resolver.choices(baselines, Baseline):
            continue
        settings = config.settings[settings_name(backbone)]
        what = f"backbone {settings_name(backbone)}"
        cls = backbone_class(backbone)
        check_options(cls, settings.options, what, _SIZES)
        _check_trainer(settings.trainer, what, metrics)
        for name, own in settings.arms.items():
            arm = read_name(asked.get(settings_name(name), name))
            inherits = ("mrdib", arm.base) if arm.preset.ablation else (arm.base,)
            start = {k: v for n in inherits for k, v in settings.arms.get(n, {}).items()}
            part = part_of(arm, {**start, **own})
            shared = {key: value for key, value in own.items() if key in _OWN}
            check_options(OwnSettings, shared, f"arm {name}")
            check_options(cls, own.get("backbone_options", {}), f"{what}, arm {name}", _SIZES)
            rest = {key: value for key, value in own.items() if key not in _OWN}
            if part is not None and issubclass(part, MRdIB):
                old_schema.refuse_removed(rest, parameters(part), f"arm {name}")
            check_options(part or OwnSettings, rest, f"arm {name}", _GIVEN, _OWN)


def _check_trainer(trainer: TrainerConfig, what: str, metrics: Mapping[str, Metric]) -> None:
    if trainer.seed != TrainerConfig.seed:
        raise ConfigError(f"{what}: trainer.seed is set by --seeds; leave it out")
    resolve_device(trainer.device)
    optimizer_class(trainer)
    for query in trainer.callbacks:
        callback_class(query)
    if trainer.monitor not in metrics:
        near = suggest(trainer.monitor, list(metrics)) or "."
        raise ConfigError(
            f"monitor: '{trainer.monitor}' is unknown{near} Known: {', '.join(metrics)}"
        )
    metrics[trainer.monitor].check_monitor()
    if trainer.loader == "neighbor":
        check_sampler()
