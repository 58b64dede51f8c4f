"""The main job: every backbone, arm and seed of a configuration, compared and written down."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.atomic_file import write_text
from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import Evaluator, by_slice, noise_floor
from mrdib_graph.experiment import closed_form, report, telling
from mrdib_graph.experiment import config as configuration
from mrdib_graph.experiment.arm import ArmSpec, TrainedArm, train_arm
from mrdib_graph.experiment.checks import check_settings
from mrdib_graph.experiment.config import RunConfig, settings_name
from mrdib_graph.experiment.data import open_dataset
from mrdib_graph.experiment.environment import environment
from mrdib_graph.experiment.objectives import build_backbone, on_late_fusion, why_not
from mrdib_graph.experiment.outputs import Outputs
from mrdib_graph.experiment.profiles import (
    code_maps,
    item_codes,
    profile_arm,
    profile_figures,
    truth_of,
)
from mrdib_graph.experiment.results import SCHEMA_VERSION, ArmResult, SeedResult, compare_arms
from mrdib_graph.information import InformationProfile
from mrdib_graph.serving import Bundle
from mrdib_graph.serving.storage import BundleInfo
from mrdib_graph.tracking import Tracker
from mrdib_graph.typing import Rows


class Experiment:
    """Runs a configuration and writes its results.

    Args:
        config: What to run; settings of every backbone included.
        tracker: Told about every run.
        say: Called with each line for a person.

    Raises:
        ConfigError: An unknown name or option; nothing was read yet.
    """

    def __init__(
        self, config: RunConfig, tracker: Tracker, say: Callable[[str], None] = print
    ) -> None:
        self.config = config
        self.tracker = tracker
        self.say = say
        self.baselines = [b for b in config.backbone if closed_form.baseline_class(b)]
        self.backbones = [b for b in config.backbone if not closed_form.baseline_class(b)]
        named = {settings_name(b) for b in self.baselines}
        self.baselines += [b for b in config.baselines if settings_name(b) not in named]
        for name in self.baselines:
            closed_form.check_baseline(name)
        check_settings(config, self.backbones)
        self.dataset = open_dataset(config)

    def run(self, outputs: Outputs, resume: bool = False) -> dict[str, Any]:
        """Train and compare everything; returns the content of ``results.json``.

        Raises:
            ConfigError: No arm that any backbone can have, or another process is at work in the
                folder.
            DataError: The data are bad.
            Interrupted: Ctrl-C; a later call with ``resume`` goes on.
        """
        data = self.dataset[0]
        specs = self._specs(data)
        outputs.create()
        with outputs.only_one():
            return self._train(data, specs, outputs, resume)

    def _train(
        self, data: HeteroData, specs: list[ArmSpec], outputs: Outputs, resume: bool
    ) -> dict[str, Any]:
        """The run, in a folder that is this process's alone."""
        evaluator = Evaluator(data)
        info = self._dataset_info(data)
        outputs.write_config(self.config)
        telling.start_parent(self.tracker, outputs.folder.name, self.config, info)
        arms = self._closed_forms(data, evaluator)
        if not specs and not arms:
            raise ConfigError(f"backbone: none of {', '.join(self.baselines)} fits these data")
        profiles: dict[str, InformationProfile] = {}
        codes: dict[str, Rows] = {}
        bare: dict[tuple[str, int], SeedResult] = {}
        best: TrainedArm | None = None
        for spec in specs:
            name = settings_name(spec.backbone)
            late = on_late_fusion(self.config.settings[name], spec.name)
            arm = ArmResult(name, spec.name, late_fusion=late)
            for seed in self.config.seeds:
                with telling.child(self.tracker, spec, seed, self.config, info):
                    checkpoint = outputs.checkpoint(spec.label, seed)
                    trained = train_arm(
                        spec, seed, self.config, data, evaluator, self.tracker, checkpoint, resume
                    )
                    profile = None
                    if self.config.profile and seed == self.config.seeds[0]:
                        profile = profile_arm(trained.recommender, data)
                    if profile is not None:
                        profiles[spec.label] = profile
                        codes[spec.label] = item_codes(trained.recommender, data)
                    slices = by_slice(trained.fit.test_result, data)
                    base = bare.get((spec.backbone, seed))
                    telling.trained(self.tracker, outputs, trained, base, slices, profile)
                arm.seeds.append(trained.result)
                if spec.name == "bare":
                    bare[spec.backbone, seed] = trained.result
                if best is None or _validation(trained) > _validation(best):
                    best = trained
            arms.append(arm)
            self.say(report.arm_line(arm))
        return self._finish(data, info, outputs, arms, profiles, codes, best)

    def follow(self, resumed: Outputs | None = None) -> None:
        """The part of every process but the first: train with it, and write nothing.

        Args:
            resumed: The folder of the run that is continued, if one is.

        Raises:
            Interrupted: Any process was stopped.
        """
        data = self.dataset[0]
        evaluator = Evaluator(data)
        for spec in self._specs(data):
            for seed in self.config.seeds:
                checkpoint = resumed.checkpoint(spec.label, seed) if resumed else None
                train_arm(
                    spec,
                    seed,
                    self.config,
                    data,
                    evaluator,
                    Tracker(),
                    checkpoint,
                    resume=resumed is not None,
                )

    def _specs(self, data: HeteroData) -> list[ArmSpec]:
        """The arms to run: those that the backbones can have."""
        specs = []
        for backbone in self.backbones:
            settings = self.config.settings[settings_name(backbone)]
            model = build_backbone(backbone, data, settings)
            if settings.trainer.loader == "neighbor":
                model.check_sampled()
            for objective in self.config.arms:
                if reason := why_not(settings, objective, model, data):
                    name = settings_name(backbone)
                    self.say(f"{name} {reason}: the arm {objective} is left out")
                    continue
                specs.append(ArmSpec(backbone, objective))
        if self.backbones and not specs:
            raise ConfigError(
                f"arms: none of {', '.join(self.config.arms)} can be run on "
                f"{', '.join(self.backbones)}; add bare"
            )
        return specs

    def _closed_forms(self, data: HeteroData, evaluator: Evaluator) -> list[ArmResult]:
        found = [
            closed_form.run_baseline(name, data, evaluator, report.MAIN_METRIC)
            for name in self.baselines
        ]
        return [arm for arm in found if arm is not None]

    def _finish(
        self,
        data: HeteroData,
        info: dict[str, Any],
        outputs: Outputs,
        arms: list[ArmResult],
        profiles: dict[str, InformationProfile],
        codes: dict[str, Rows],
        best: TrainedArm | None,
    ) -> dict[str, Any]:
        comparisons = compare_arms(arms, list(arms[0].mean))
        device = next(best.recommender.parameters()).device if best else torch.device("cpu")
        results: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "dataset": info,
            "environment": environment(device),
            "config": configuration.plain(self.config),
            "arms": [arm.to_dict() for arm in arms],
            "comparisons": [dataclasses.asdict(c) for c in comparisons],
            "information": {label: p.to_dict() for label, p in profiles.items()},
        }
        outputs.write_results(results)
        outputs.write_per_user(arms)
        figures = []
        gains = [c for c in results["comparisons"] if c["baseline"] == "bare"]
        if gains:
            figures.append(
                telling.draw(
                    self.tracker, outputs, "arm_bars", "gains.png", gains, report.MAIN_METRIC
                )
            )
        figures += profile_figures(self.tracker, outputs, profiles, self.dataset)
        figures += code_maps(self.tracker, outputs, codes)
        truth = truth_of(self.dataset)
        text = "\n\n".join(f"{label}\n{p.table(truth)}" for label, p in profiles.items())
        noise = self._noise(data, arms)
        title = f"{info['name']}: {', '.join(settings_name(b) for b in self.config.backbone)}"
        markdown = report.markdown(title, arms, comparisons, noise, results, text, figures)
        write_text(outputs.report, markdown)
        bundle = None if best is None else self._bundle(best, data, info, outputs)
        telling.finish_parent(self.tracker, outputs, arms, comparisons, markdown, bundle)
        self.say(report.terminal(arms, comparisons, noise))
        if text:
            seed = self.config.seeds[0]
            self.say(f"\nInformation profile, bits per interaction, seed {seed}\n\n{text}")
        return results

    def _noise(self, data: HeteroData, arms: list[ArmResult]) -> float:
        """Binomial noise of the main metric, at the level of the best arm."""
        level = max(arm.mean[report.MAIN_METRIC] for arm in arms)
        users = arms[0].seeds[0].users
        positives = graph.interactions(data, "test")[0].bincount(minlength=graph.num_users(data))
        return noise_floor(level, positives[users])

    def _dataset_info(self, data: HeteroData) -> dict[str, Any]:
        folder = getattr(self.dataset, "folder", None)
        made = f"generated by {type(self.dataset).__name__}"
        return {
            "name": self.dataset.name,
            "digest": self.dataset.digest,
            "source": made if folder is None else str(folder),
            "counts": graph.describe(data),
            "split_rule": self.dataset.split_rule,
            "feature_scaling": str(data.get("feature_scaling", "none")),
            "features": self.dataset.feature_records,
        }

    def _bundle(
        self, best: TrainedArm, data: HeteroData, info: Mapping[str, Any], outputs: Outputs
    ) -> Bundle:
        device = next(best.recommender.parameters()).device
        user, item = best.recommender.tables(data.to(device))
        bundle = Bundle.from_tables(
            user.cpu(),
            item.cpu(),
            graph.interactions(data, "train").cpu(),
            user_ids=self.dataset.user_ids,
            item_ids=self.dataset.item_ids,
            item_names=self.dataset.item_names,
            info=BundleInfo(
                name=outputs.folder.name,
                backbone=settings_name(best.spec.backbone),
                arm=best.spec.name,
                dataset=info["name"],
                dataset_digest=info["digest"],
                metrics=best.fit.test,
            ),
        )
        bundle.save(outputs.bundle, overwrite=True)
        return bundle


def _validation(arm: TrainedArm) -> float:
    return arm.fit.val[report.MAIN_METRIC]
