"""The comparison as a table that a person reads, in the terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

from mrdib_graph.experiment.below_closed_form import below_closed_form
from mrdib_graph.experiment.presets import METHOD
from mrdib_graph.experiment.results import CLOSED_FORM, ArmComparison, ArmResult
from mrdib_graph.experiment.run_metrics import added

COLUMNS = tuple(f"{m}@{k}" for k in (5, 10, 20) for m in ("recall", "ndcg", "map"))
MAIN_METRIC = "recall@20"


def arm_table(
    arms: Sequence[ArmResult],
    comparisons: Sequence[ArmComparison],
    metric: str = MAIN_METRIC,
    style: str = "github",
) -> str:
    """One row an arm: metrics as mean +/- sd over seeds, gains over bare and partner, time."""
    columns = [c for c in COLUMNS if c in arms[0].seeds[0].test]
    known = {(c.backbone, c.baseline, c.arm): c for c in comparisons if c.metric == metric}
    rows = []
    for arm in arms:
        over_bare = _gain(known.get((arm.backbone, "bare", arm.arm)))
        fair, p_fair, _ = _gain(known.get((arm.backbone, arm.partner or "", arm.arm)))
        rows.append(
            [arm.backbone, arm.arm]
            + [_mean_sd(arm, column) for column in columns]
            + [*over_bare, arm.partner or "", fair, p_fair]
            + _times(arm, arms)
        )
    headings = ["backbone", "arm", *columns, "gain %", "p users", "p seeds"]
    headings += ["partner", "fair %", "p fair", "s/epoch", "more %"]
    return tabulate(rows, headers=headings, tablefmt=style, disable_numparse=True)


def _mean_sd(arm: ArmResult, metric: str) -> str:
    mean = f"{arm.mean[metric]:.4f}".lstrip("0")
    return mean if len(arm.seeds) == 1 else f"{mean}±{arm.sd[metric]:.3f}".replace("±0.", "±.")


def _gain(comparison: ArmComparison | None) -> list[str]:
    if comparison is None or comparison.gain_percent != comparison.gain_percent:
        return ["", "", ""]  # NaN: a gain over nothing
    return [
        f"{comparison.gain_percent:+.1f}",
        p_text(comparison.p_holm),
        p_text(comparison.p_seeds),
    ]


def _times(arm: ArmResult, arms: Sequence[ArmResult]) -> list[str]:
    """Seconds per epoch, and how much more than bare in percent; a closed form has no epochs."""
    if arm.arm == CLOSED_FORM:
        return ["", ""]
    seconds = f"{arm.seconds_per_epoch:.2f}"
    for other in arms:
        if (other.backbone, other.arm) == (arm.backbone, "bare") and other is not arm:
            return [seconds, f"{100 * (arm.seconds_per_epoch / other.seconds_per_epoch - 1):+.0f}"]
    return [seconds, ""]


def control_table(
    comparisons: Sequence[ArmComparison], metric: str = MAIN_METRIC, style: str = "github"
) -> str:
    """The arm mrdib against each control; empty where no control ran."""
    rows = [
        [
            c.backbone,
            f"{c.arm} over {c.baseline}",
            f"{c.gain_percent:+.1f}",
            f"{c.ci95[0]:+.1f} to {c.ci95[1]:+.1f}",
            p_text(c.p_holm),
            p_text(c.p_seeds),
        ]
        for c in comparisons
        if c.metric == metric and c.arm in METHOD and c.baseline != "bare"
    ]
    headings = ["backbone", "comparison", f"{metric} gain %", "95 %", "p users", "p seeds"]
    return tabulate(rows, headers=headings, tablefmt=style, disable_numparse=True) if rows else ""


def added_table(arms: Sequence[ArmResult], style: str = "github") -> str:
    """The metrics that the run adds to the usual ones, at 20; empty where there is none."""
    columns = [c for c in added(list(arms[0].mean)) if c.partition("@")[2] in ("", "20")]
    rows = [[a.backbone, a.arm, *(_mean_sd(a, column) for column in columns)] for a in arms]
    headings = ["backbone", "arm", *columns]
    return tabulate(rows, headers=headings, tablefmt=style, disable_numparse=True) * bool(columns)


def p_text(p: float | None) -> str:
    """A p value as text: ``<.001``, ``.034``, or empty."""
    if p is None:
        return ""
    return "<.001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 1 else "1"


def arm_line(arm: ArmResult) -> str:
    """One line when an arm is done."""
    epochs = ", ".join(str(s.best_epoch + 1) for s in arm.seeds)
    return (
        f"{arm.backbone} {arm.arm}: test {MAIN_METRIC} {arm.mean[MAIN_METRIC]:.4f} "
        f"± {arm.sd[MAIN_METRIC]:.4f}, best epochs {epochs}"
    )


def terminal(arms: Sequence[ArmResult], comparisons: Sequence[ArmComparison], noise: float) -> str:
    """Tables and notes for the terminal."""
    parts = ["", arm_table(arms, comparisons, style="simple"), "", notes(arms, noise)]
    below = below_closed_form(arms, MAIN_METRIC)
    if below:
        parts += ["", *[arm.sentence for arm in below]]
    controls = control_table(comparisons, style="simple")
    if controls:
        parts += ["", "The method against its controls", "", controls]
    if more := added_table(arms, style="simple"):
        parts += ["", "More metrics", "", more]
    return "\n".join(parts)


def notes(arms: Sequence[ArmResult], noise: float) -> str:
    """What the columns mean and how small a difference says nothing."""
    seeds = max(len(a.seeds) for a in arms)
    return (
        f"Mean ± sd over {seeds} seed{'s' if seeds > 1 else ''}; each epoch chosen on validation, "
        f"test scored once. gain % of {MAIN_METRIC}: over bare; fair %: over the arm's partner, "
        "which is bare on the same structure, so on late fusion where the arm is; p users and p "
        "fair: Wilcoxon over users with Holm's correction, p seeds: paired t over seeds; more %: "
        f"seconds per epoch beyond bare. Binomial noise of {MAIN_METRIC} on this test set: ± "
        f"{noise:.4f}."
    )


def markdown(
    title: str,
    arms: Sequence[ArmResult],
    comparisons: Sequence[ArmComparison],
    noise: float,
    results: dict[str, Any],
    profile_text: str,
    figures: Sequence[str],
) -> str:
    """The whole report."""
    data, env = results["dataset"], results["environment"]
    counts = data["counts"]
    parts = [
        f"# {title}",
        arm_table(arms, comparisons),
        notes(arms, noise),
    ]
    below = below_closed_form(arms, MAIN_METRIC)
    if below:
        parts += ["## Below a closed form", *[arm.sentence for arm in below]]
    controls = control_table(comparisons)
    if controls:
        parts += ["## Against the controls", controls]
    if more := added_table(arms):
        parts += ["## More metrics", more]
    if profile_text:
        parts += ["## Information profile", f"```text\n{profile_text}\n```"]
    if figures:
        parts += ["## Figures", *[f"![{f}](figures/{f})" for f in figures]]
    widths = ", ".join(
        f"{m} {d}{_made_by(data['features'].get(m))}" for m, d in counts["modalities"].items()
    )
    parts += [
        "## Data",
        f"{data['name']}: {counts['users']} users, {counts['items']} items, "
        f"{counts['interactions']} interactions ({counts.get('train')} train, {counts.get('val')} "
        f"validation, {counts.get('test')} test); modalities {widths}; split {data['split_rule']}; "
        f"features {data['feature_scaling']}; SHA-256 {data['digest']}.",
        "## Environment",
        "; ".join(f"{k} {v}" for k, v in env["versions"].items())
        + f"; {env['device']}; {env['threads']} threads; commit {env['git']['commit']}"
        + (" with changes" if env["git"]["dirty"] else "")
        + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _made_by(record: Mapping[str, Any] | None) -> str:
    """The encoder of a modality's rows, where it is on record."""
    return "" if record is None else f" (made by {record['encoder']}, {record['version']})"
