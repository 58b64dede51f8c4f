"""The comparison as a table that a person reads, in the terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

from mrdib_graph.experiment.results import ArmComparison, ArmResult

COLUMNS = tuple(f"{m}@{k}" for k in (5, 10, 20) for m in ("recall", "ndcg", "map"))
MAIN_METRIC = "recall@20"


def arm_table(
    arms: Sequence[ArmResult],
    comparisons: Sequence[ArmComparison],
    metric: str = MAIN_METRIC,
    style: str = "github",
) -> str:
    """One row an arm: metrics as mean +/- sd over seeds, gain over bare, p value, time."""
    columns = [c for c in COLUMNS if c in arms[0].seeds[0].test]
    against_bare = {
        (c.backbone, c.objective): c
        for c in comparisons
        if c.metric == metric and c.baseline == "bare"
    }
    bare_seconds = {a.backbone: a.seconds_per_epoch for a in arms if a.objective == "bare"}
    rows = []
    for arm in arms:
        mean, sd = arm.mean, arm.sd
        row: list[str] = [arm.backbone, arm.objective]
        row += [
            f"{mean[c]:.4f} ± {sd[c]:.4f}" if len(arm.seeds) > 1 else f"{mean[c]:.4f}"
            for c in columns
        ]
        c = against_bare.get((arm.backbone, arm.objective))
        row += (
            ["", "", ""]
            if c is None
            else [f"{c.gain_percent:+.1f}", p_text(c.p_holm), p_text(c.p_seeds)]
        )
        row.append(f"{arm.seconds_per_epoch:.2f}")
        base = bare_seconds.get(arm.backbone)
        overhead = (
            ""
            if base is None or arm.objective == "bare"
            else (f"{100 * (arm.seconds_per_epoch / base - 1):+.0f}")
        )
        row.append(overhead)
        rows.append(row)
    headings = [
        "backbone",
        "arm",
        *columns,
        f"{metric} gain %",
        "p (users)",
        "p (seeds)",
        "s / epoch",
        "overhead %",
    ]
    return tabulate(rows, headers=headings, tablefmt=style, disable_numparse=True)


def control_table(
    comparisons: Sequence[ArmComparison], metric: str = MAIN_METRIC, style: str = "github"
) -> str:
    """The arm mrdib against each control; empty where no control ran."""
    rows = [
        [
            c.backbone,
            f"{c.objective} over {c.baseline}",
            f"{c.gain_percent:+.1f}",
            f"{c.ci95[0]:+.1f} to {c.ci95[1]:+.1f}",
            p_text(c.p_holm),
            p_text(c.p_seeds),
        ]
        for c in comparisons
        if c.metric == metric and c.baseline != "bare"
    ]
    headings = ["backbone", "comparison", f"{metric} gain %", "95 %", "p (users)", "p (seeds)"]
    return tabulate(rows, headers=headings, tablefmt=style, disable_numparse=True) if rows else ""


def p_text(p: float | None) -> str:
    """A p value as text: ``<.001``, ``.034``, or empty."""
    if p is None:
        return ""
    return "<.001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 1 else "1"


def arm_line(arm: ArmResult) -> str:
    """One line when an arm is done."""
    epochs = ", ".join(str(s.best_epoch + 1) for s in arm.seeds)
    return (
        f"{arm.backbone} {arm.objective}: test {MAIN_METRIC} {arm.mean[MAIN_METRIC]:.4f} "
        f"± {arm.sd[MAIN_METRIC]:.4f}, best epochs {epochs}"
    )


def terminal(arms: Sequence[ArmResult], comparisons: Sequence[ArmComparison], noise: float) -> str:
    """Tables and notes for the terminal."""
    parts = ["", arm_table(arms, comparisons, style="simple"), "", notes(arms, noise)]
    controls = control_table(comparisons, style="simple")
    if controls:
        parts += ["", "The method against its controls", "", controls]
    return "\n".join(parts)


def notes(arms: Sequence[ArmResult], noise: float) -> str:
    """What the columns mean and how small a difference says nothing."""
    seeds = max(len(a.seeds) for a in arms)
    return (
        f"Mean ± sd over {seeds} seed{'s' if seeds > 1 else ''}; each epoch chosen on validation, "
        "test scored once. Gain and p of "
        f"{MAIN_METRIC} against bare: p (users) Wilcoxon over users with Holm's correction, "
        "p (seeds) paired t over seeds. "
        f"Binomial noise of {MAIN_METRIC} on this test set: ± {noise:.4f}."
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
    controls = control_table(comparisons)
    if controls:
        parts += ["## Against the controls", controls]
    if profile_text:
        parts += ["## Information profile", f"```text\n{profile_text}\n```"]
    if figures:
        parts += ["## Figures", *[f"![{f}](figures/{f})" for f in figures]]
    widths = ", ".join(f"{m} {d}" for m, d in counts["modalities"].items())
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
