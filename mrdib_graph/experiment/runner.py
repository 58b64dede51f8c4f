"""The main job: every backbone, arm and seed of a configuration, compared and written down."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from typing import Any

import torch
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.atomic_file import write_text
from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import Evaluator, by_slice, noise_floor
from mrdib_graph.experiment import config as configuration
from mrdib_graph.experiment import fit_baselines, report, run_tracking
from mrdib_graph.experiment.arms import Arm, build_arms, possible_arms, trained_backbones
from mrdib_graph.experiment.below_closed_form import below_closed_form, best_closed_form
from mrdib_graph.experiment.config import RunConfig, settings_name
from mrdib_graph.experiment.environment import environment
from mrdib_graph.experiment.outputs import Outputs
from mrdib_graph.experiment.profiles import (
    code_maps,
    item_codes,
    profile_arm,
    profile_figures,
    truth_of,
)
from mrdib_graph.experiment.results import (
    CLOSED_FORM,
    SCHEMA_VERSION,
    ArmComparison,
    ArmResult,
    SeedResult,
    compare_arms,
    fair_gains,
)
from mrdib_graph.experiment.run_dataset import open_dataset
from mrdib_graph.experiment.run_metrics import evaluator_config
from mrdib_graph.experiment.saved_run import SavedRun
from mrdib_graph.experiment.trained_arm import TrainedArm, train_arms
from mrdib_graph.information import InformationProfile
from mrdib_graph.serving import Bundle
from mrdib_graph.serving.storage import BundleInfo
from mrdib_graph.tracking import Tracker
from mrdib_graph.typing import Rows

logger = logging.getLogger(__name__)


@dataclass
class Findings:
    """What a run has found so far.

    Attributes:
        arms: Results, those of closed-form baselines first.
        profiles: Label of an arm to the information profile of its first seed.
        codes: Arms with their items' codes.
        best: The trained arm and seed that are best on validation.
    """

    arms: list[ArmResult]
    profiles: dict[str, InformationProfile] = field(default_factory=dict)
    codes: list[tuple[Arm, Rows]] = field(default_factory=list)
    best: TrainedArm | None = None

    def add(self, trained: TrainedArm) -> ArmResult:
        """Keep one seed; all results of its arm so far."""
        arm = trained.arm
        result = self._find(arm.backbone_name, arm.name)
        if result is None:
            result = ArmResult.of(arm)
            self.arms.append(result)
        result.seeds.append(trained.result)
        metric = report.MAIN_METRIC
        if self.best is None or trained.fit.val[metric] > self.best.fit.val[metric]:
            self.best = trained
        return result

    def beside(self, trained: TrainedArm, name: str | None) -> SeedResult | None:
        """The result of another arm of the same backbone with the same seed, if it is there."""
        other = None if name is None else self._find(trained.arm.backbone_name, name)
        same = [] if other is None else [s for s in other.seeds if s.seed == trained.seed]
        return same[0] if same else None

    @property
    def device(self) -> torch.device:
        """Where recommenders were trained."""
        if self.best is None:
            return torch.device("cpu")
        return next(self.best.recommender.parameters()).device

    def _find(self, backbone: str, name: str) -> ArmResult | None:
        known = {(arm.backbone, arm.arm): arm for arm in self.arms}
        return known.get((backbone, name))


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
        self.backbones = trained_backbones(config)
        self.baselines = [b for b in config.backbone if b not in self.backbones]
        named = {settings_name(b) for b in self.baselines}
        self.baselines += [b for b in config.baselines if settings_name(b) not in named]
        for name in self.baselines:
            fit_baselines.check_baseline(name)
        self.arms = build_arms(config)
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
        arms = self._possible(data)
        outputs.create()
        with outputs.only_one():
            info = self._dataset_info(data)
            if resume:
                before = SavedRun(outputs.folder)
                before.check_settings(self.config)
                before.check_data(info["digest"])
            outputs.write_config(self.config)
            outputs.write_json(outputs.dataset, info)
            run_tracking.start_parent(self.tracker, outputs.folder.name, self.config, info)
            findings = self._train(arms, data, info, outputs, resume)
            return self._finish(findings, data, info, outputs)

    def follow(self, resumed: Outputs | None = None) -> None:
        """The part of every process but the first: train with it, and write nothing.

        Args:
            resumed: The folder of the run that is continued, if one is.

        Raises:
            Interrupted: Any process was stopped.
        """
        data = self.dataset[0]
        for _ in train_arms(
            self._possible(data),
            self.config.seeds,
            data,
            Evaluator(data, evaluator_config(self.config)),
            checkpoint=None if resumed is None else resumed.checkpoint,
            resume=resumed is not None,
            quiet=self.config.quiet,
        ):
            pass

    def _possible(self, data: HeteroData) -> list[Arm]:
        """The arms that the backbones can have; the others and those not asked for are named."""
        possible = possible_arms(self.arms, data, self.say)
        if self.backbones and not possible:
            raise ConfigError(
                f"arms: none of {', '.join(self.config.arms)} can be run on "
                f"{', '.join(self.backbones)}; add bare"
            )
        asked = {settings_name(name) for name in self.config.arms}
        for arm in possible:
            if settings_name(arm.name) not in asked:
                mine = [
                    a.name for a in possible if (a.backbone, a.partner) == (arm.backbone, arm.name)
                ]
                self.say(
                    f"{arm.backbone_name}: the arm {arm.name} is added, which {', '.join(mine)} "
                    "must be compared with, on late fusion too"
                )
        return possible

    def _train(
        self,
        arms: list[Arm],
        data: HeteroData,
        info: Mapping[str, Any],
        outputs: Outputs,
        resume: bool,
    ) -> Findings:
        """Every baseline, arm and seed, told to the tracker one by one."""
        evaluator = Evaluator(data, evaluator_config(self.config))
        findings = Findings(self._closed_forms(data, evaluator))
        if not arms and not findings.arms:
            raise ConfigError(f"backbone: none of {', '.join(self.baselines)} fits these data")

        def within(arm: Arm, seed: int) -> AbstractContextManager[None]:
            return run_tracking.child(self.tracker, arm, seed, info)

        loop = train_arms(
            arms,
            self.config.seeds,
            data,
            evaluator,
            self.tracker,
            checkpoint=outputs.checkpoint,
            resume=resume,
            quiet=self.config.quiet,
            within=within,
        )
        with closing(loop):  # an error below ends the tracker's run of the arm too
            for trained in loop:
                self._take(trained, findings, data, outputs)
        return findings

    def _closed_forms(self, data: HeteroData, evaluator: Evaluator) -> list[ArmResult]:
        """The baselines that fit the data."""
        fitting = fit_baselines.fitting_baselines(self.config.baselines, data)
        fits = fit_baselines.Fits(data, evaluator, report.MAIN_METRIC)
        asked = [b for b in self.baselines if b in fitting or b in self.config.backbone]
        return [arm for arm in map(fits.run, asked) if arm is not None]

    def _take(
        self, trained: TrainedArm, findings: Findings, data: HeteroData, outputs: Outputs
    ) -> None:
        """Measure, tell and keep one seed of an arm."""
        profile = None
        if self.config.profile and trained.seed == self.config.seeds[0]:
            profile = profile_arm(trained.recommender, data)
        if profile is not None:
            findings.profiles[trained.arm.label] = profile
            findings.codes.append((trained.arm, item_codes(trained.recommender, data)))
        slices = by_slice(trained.fit.test_result, data)
        bare = findings.beside(trained, "bare" if trained.arm.name != "bare" else None)
        partner = findings.beside(trained, trained.arm.partner)
        closed = best_closed_form(findings.arms, report.MAIN_METRIC)
        run_tracking.trained(self.tracker, outputs, trained, bare, partner, closed, slices, profile)
        arm = findings.add(trained)
        if trained.seed == self.config.seeds[-1]:
            self.say(report.arm_line(arm))

    def _finish(
        self, findings: Findings, data: HeteroData, info: dict[str, Any], outputs: Outputs
    ) -> dict[str, Any]:
        """Compare, and write results, figures, report and bundle."""
        arms, profiles = findings.arms, findings.profiles
        with_users = list(arms[0].seeds[0].per_user)
        comparisons = compare_arms(arms, with_users)
        below = below_closed_form(arms, report.MAIN_METRIC)
        results: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "dataset": info,
            "environment": environment(findings.device),
            "config": configuration.plain(self.config),
            "arms": [arm.to_dict() for arm in arms],
            "comparisons": [dataclasses.asdict(c) for c in comparisons],
            "below_closed_form": [dataclasses.asdict(arm) for arm in below],
            "information": {label: p.to_dict() for label, p in profiles.items()},
            "set_metrics": [name for name in arms[0].mean if name not in with_users],
        }
        outputs.write_json(outputs.results, results)
        outputs.write_per_user(arms)
        figures = self._draw(findings, comparisons, outputs)
        truth = truth_of(self.dataset)
        text = "\n\n".join(f"{label}\n{p.table(truth)}" for label, p in profiles.items())
        noise = self._noise(data, arms)
        title = f"{info['name']}: {', '.join(settings_name(b) for b in self.config.backbone)}"
        markdown = report.markdown(title, arms, comparisons, noise, results, text, figures)
        write_text(outputs.report, markdown)
        bundle = None if findings.best is None else self._bundle(findings.best, data, info, outputs)
        run_tracking.finish_parent(self.tracker, outputs, arms, comparisons, markdown, bundle)
        self.say(report.terminal(arms, comparisons, noise))
        if below:
            logger.warning(
                "%d of %d trained arms end below the closed form %s: see the lines below the table",
                len(below), sum(arm.arm != CLOSED_FORM for arm in arms), below[0].closed_form,
            )  # fmt: skip
        if text:
            seed = self.config.seeds[0]
            self.say(f"\nInformation profile, bits per interaction, seed {seed}\n\n{text}")
        return results

    def _draw(
        self, findings: Findings, comparisons: Sequence[ArmComparison], outputs: Outputs
    ) -> list[str]:
        """The figures' files: gains over bare and over the partners, profiles, maps of codes."""
        figures = []
        gains = [dataclasses.asdict(c) for c in fair_gains(findings.arms, comparisons)]
        if gains:
            figures.append(
                run_tracking.draw(
                    self.tracker, outputs, "arm_bars", "gains.png", gains, report.MAIN_METRIC
                )
            )
        figures += profile_figures(self.tracker, outputs, findings.profiles, self.dataset)
        return figures + code_maps(self.tracker, outputs, findings.codes)

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
                backbone=best.arm.backbone_name,
                arm=best.arm.name,
                dataset=info["name"],
                dataset_digest=info["digest"],
                metrics=best.fit.test,
            ),
        )
        bundle.save(outputs.bundle, overwrite=True)
        return bundle
