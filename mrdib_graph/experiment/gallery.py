"""Pictures of finished runs, and a page with them.

Draws gains and ablations with paired intervals, curves of every term, the dependence on each tuned
setting, and a map of the modality codes with and without MRdIB.  What cannot be drawn is named with
its reason.
"""

from __future__ import annotations

import dataclasses
import html
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mrdib_graph import plotting
from mrdib_graph.atomic_file import write_text
from mrdib_graph.errors import MRdIBError
from mrdib_graph.experiment.below_closed_form import below_closed_form
from mrdib_graph.experiment.presets import LATE, METHOD, PRESETS
from mrdib_graph.experiment.report import arm_table
from mrdib_graph.experiment.results import (
    ArmComparison,
    ArmResult,
    compare_arms,
    compare_pairs,
    fair_gains,
)
from mrdib_graph.experiment.run_tuning import draw_trials
from mrdib_graph.experiment.saved_run import SavedRun
from mrdib_graph.tuning import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ABLATED = [name for name, preset in PRESETS.items() if preset.ablation]
"""The arms that leave something of the arm mrdib out."""

STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:1100px;margin:2em auto;padding:0 1em}"
    "img{max-width:100%}figure{margin:1.5em 0}figcaption{color:#444}"
    "table{border-collapse:collapse;font-size:13px}td,th{padding:2px 8px;text-align:left}"
    "div.table{overflow-x:auto}"
)
RUN_FIGURES = (
    ("information-pairs-*.png", "redundancy and synergy of every pair of modalities."),
    ("information-*.png", "bits about the user's choice: redundant, unique, synergistic."),
    ("knock-out-*.png", "what ranking loses when a source is replaced by its mean."),
)
"""Pictures that need the profile, which the run itself measured and drew."""


@dataclass
class Section:
    """Pictures of one run, and what could not be drawn."""

    title: str
    folder: Path
    prefix: str = ""
    table: str = ""
    warnings: list[str] = field(default_factory=list)
    pictures: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def add(self, name: str, figure: Figure, caption: str) -> None:
        """Keep a figure."""
        figure.savefig(self.folder / f"{self.prefix}{name}", dpi=120)
        self.pictures.append((f"{self.prefix}{name}", caption))

    @property
    def files(self) -> list[Path]:
        """The pictures' files."""
        return [self.folder / name for name, _ in self.pictures]


def draw_run(run: SavedRun, section: Section, metric: str, codes: bool) -> None:
    """Every picture that a run's folder has the numbers for."""
    arms = run.results_of_arms
    comparisons = compare_arms(arms, [metric])
    section.table = arm_table(arms, comparisons, metric, style="html")
    section.warnings = [arm.sentence for arm in below_closed_form(arms, metric)]
    for backbone in dict.fromkeys(arm.backbone_name for arm in run.arms):
        mine = [c for c in comparisons if c.backbone == backbone]
        _draw_comparisons(section, backbone, arms, mine)
        _draw_ablations(section, backbone, arms, metric)
        _draw_curves(section, backbone, run, metric)
        if codes:
            _draw_codes(section, backbone, run)
    known: set[str] = set()
    for pattern, caption in RUN_FIGURES:
        for path in sorted(set(run.outputs.figures.glob(pattern))):
            if path.name not in known:
                known.add(path.name)
                shutil.copyfile(path, section.folder / f"{section.prefix}{path.name}")
                arm = path.stem.removeprefix(pattern.removesuffix("*.png"))
                section.pictures.append((f"{section.prefix}{path.name}", f"{arm}: {caption}"))
    if not run.results["information"]:
        section.left_out.append("information profile: the run did not measure it")


def _draw_comparisons(
    section: Section, backbone: str, arms: list[ArmResult], found: list[ArmComparison]
) -> None:
    over_bare = [dataclasses.asdict(c) for c in fair_gains(arms, found)]
    controls = [dataclasses.asdict(c) for c in found if c.arm in METHOD and c.baseline != "bare"]
    note = (
        "Bars: gain of the mean over users and seeds; whiskers: 95 % of a paired bootstrap over "
        "users, of this comparison alone; p: Wilcoxon over users after Holm's correction over all "
        "comparisons of the run, as in the table. Grey: the interval holds 0."
    )
    if over_bare:
        section.add(f"gains-{backbone}.png", plotting.arm_bars(over_bare), note)
    else:
        section.left_out.append(f"{backbone}, gains: the run has no arm beside bare, or no bare")
    if controls:
        section.add(
            f"controls-{backbone}.png",
            plotting.arm_bars(controls),
            f"The method over each control, which has no information term. {note}",
        )


def _draw_ablations(section: Section, backbone: str, arms: list[ArmResult], metric: str) -> None:
    by_name = {a.arm: a for a in arms if a.backbone == backbone}
    without = [name for name in (*ABLATED, "bare") if name in by_name]
    if "mrdib" not in by_name or without in ([], ["bare"]):
        section.left_out.append(
            f"{backbone}, ablations: the run has no ablation beside the arm mrdib; run with "
            f"--arms bare,mrdib,{','.join(ABLATED)}"
        )
        return
    pairs = [(by_name["mrdib"], by_name[name]) for name in without]
    rows = [dataclasses.asdict(c) for c in compare_pairs(pairs, [metric])]
    section.add(
        f"ablations-{backbone}.png",
        plotting.arm_bars(rows),
        "Change when a part of the arm mrdib is left out: below 0, the part helps. Whiskers: 95 % "
        "of a paired bootstrap over users; p after Holm's correction over this picture.",
    )


def _draw_curves(section: Section, backbone: str, run: SavedRun, metric: str) -> None:
    arms = [arm for arm in run.arms if arm.backbone_name == backbone]
    try:
        histories = {arm.name: run.histories(arm) for arm in arms}
    except MRdIBError as error:
        section.left_out.append(f"{backbone}, curves: {error}")
        return
    section.add(
        f"curves-{backbone}.png",
        plotting.arm_curves(histories, f"val/{metric}"),
        "Loss terms without their weights, and validation, over the epochs. Thick: mean over the "
        "seeds that still train; thin: the seeds.",
    )


def _draw_codes(section: Section, backbone: str, run: SavedRun) -> None:
    arms = {arm.name: arm for arm in run.arms if arm.backbone_name == backbone}
    pairs = [("bare", "mrdib"), ("bare", "paper"), (f"bare{LATE}", f"mrdib{LATE}")]
    found = [(without, arm) for without, arm in pairs if {without, arm} <= set(arms)]
    if not found:
        section.left_out.append(
            f"{backbone}, map of the codes: it needs the arms bare and mrdib, or both with {LATE}"
        )
        return
    try:
        for without, arm in found:
            figure = plotting.code_map(
                run.codes(arms[without]),
                run.codes(arms[arm]),
                seed=0,
                titles=(f"{backbone}, {without}", f"{backbone}, {arm}"),
            )
            section.add(
                f"codes-{backbone}-{arm}.png",
                figure,
                "The same items' modality codes without and with MRdIB, of the first seed, by "
                "t-SNE: neighbourhoods count, distances between groups and axes do not.",
            )
    except MRdIBError as error:
        section.left_out.append(f"{backbone}, map of the codes: {error}")


def draw_search(section: Section, trials: list[Trial]) -> None:
    """How validation depends on each setting that was tried."""
    if not trials:
        section.left_out.append(
            "dependence on the settings: there are no trials; run with --tune, or give the table "
            "of a grid with --trials"
        )
    for path in draw_trials(section.folder, trials):
        target = path.rename(path.with_name(f"{section.prefix}{path.name}"))
        caption = (
            "Validation over each setting. One dot a trial; in a random search the other settings "
            "differ from dot to dot too, so read the upper edge. Orange: chosen; grey: best bare."
        )
        section.pictures.append((target.name, caption))


def joint_gains(runs: Sequence[SavedRun], metric: str) -> list[dict[str, Any]]:
    """Gains over bare of several runs, each named by its data set too."""
    rows = []
    for run in runs:
        name = run.results["dataset"]["name"]
        for c in compare_arms(run.results_of_arms, [metric]):
            if c.baseline == "bare":
                rows.append({**dataclasses.asdict(c), "backbone": f"{name} {c.backbone}"})
    return rows


def page(sections: Sequence[Section]) -> str:
    """The page, with the pictures beside it."""
    parts = ["<!doctype html><html lang='en'><meta charset='utf-8'><title>Report</title>"]
    parts.append(f"<style>{STYLE}</style>")
    for section in sections:
        parts.append(f"<h1>{html.escape(section.title)}</h1>")
        if section.table:
            parts.append(f"<div class='table'>{section.table}</div>")
        parts += [f"<p>{html.escape(text)}</p>" for text in section.warnings]
        for name, caption in section.pictures:
            source = html.escape(name, quote=True)
            parts.append(
                f"<figure><img src='{source}' alt='{source}'>"
                f"<figcaption>{html.escape(caption)}</figcaption></figure>"
            )
        if section.left_out:
            items = "".join(f"<li>{html.escape(text)}</li>" for text in section.left_out)
            parts.append(f"<h2>Not drawn</h2><ul>{items}</ul>")
    return "\n".join(parts) + "\n</html>\n"


def draw_page(
    runs: Sequence[SavedRun],
    out: Path,
    metric: str,
    trials: list[Trial] | None = None,
    codes: bool = True,
) -> list[Section]:
    """Draw what the runs have the numbers for, and write the page.

    Args:
        runs: Finished runs.
        out: Folder of the page.
        metric: Of every picture.
        trials: In place of each run's own.
        codes: Whether the codes are mapped, which reads the data.

    Returns:
        A section for each run, after one of all where there are several.
    """
    sections = []
    for number, run in enumerate(runs, start=1):
        title = f"{run.results['dataset']['name']}: {run.folder.name}"
        section = Section(title, out, f"{number}-" if len(runs) > 1 else "")
        draw_run(run, section, metric, codes)
        draw_search(section, run.trials if trials is None else trials)
        sections.append(section)
    if len(runs) > 1 and (rows := joint_gains(runs, metric)):
        together = Section("All runs", out)
        caption = "Gains over bare; p after Holm's correction within each run."
        together.add("gains.png", plotting.arm_bars(rows), caption)
        sections.insert(0, together)
    write_text(out / "index.html", page(sections))
    return sections
