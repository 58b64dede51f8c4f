"""What the tracker is told about a run: one parent per command, one child per arm and seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mrdib_graph.evaluation import MetricResult
from mrdib_graph.experiment import config as configuration
from mrdib_graph.experiment import report
from mrdib_graph.experiment.arms import Arm
from mrdib_graph.experiment.below_closed_form import below_closed_form, best_closed_form
from mrdib_graph.experiment.config import RunConfig
from mrdib_graph.experiment.environment import git_state
from mrdib_graph.experiment.outputs import Outputs
from mrdib_graph.experiment.results import CLOSED_FORM, ArmComparison, ArmResult, SeedResult
from mrdib_graph.experiment.trained_arm import TrainedArm
from mrdib_graph.information import InformationProfile
from mrdib_graph.serving import Bundle
from mrdib_graph.tracking import Tracker
from mrdib_graph.tracking.tracker import Status


def start_parent(tracker: Tracker, name: str, config: RunConfig, info: Mapping[str, Any]) -> None:
    """Open the command's run."""
    params = configuration.plain(config) | _features(info)
    tracker.start_run(name, params=params, tags=_tags(info))
    tracker.log_dataset(info["name"], info["digest"], info["source"], info["counts"])


@contextmanager
def child(tracker: Tracker, arm: Arm, seed: int, info: Mapping[str, Any]) -> Iterator[None]:
    """The run of one arm and seed; its status tells how it ended."""
    tracker.start_run(
        f"{arm.label}-seed{seed}",
        params=arm.to_dict() | {"seed": seed} | _features(info),
        tags=_tags(info) | {"backbone": arm.backbone_name, "arm": arm.name, "seed": str(seed)},
    )
    status: Status = "failed"
    try:
        tracker.log_dataset(info["name"], info["digest"], info["source"], info["counts"])
        yield
        status = "finished"
    except KeyboardInterrupt:
        status = "killed"
        raise
    finally:
        tracker.end_run(status)


def trained(
    tracker: Tracker,
    outputs: Outputs,
    arm: TrainedArm,
    bare: SeedResult | None,
    partner: SeedResult | None,
    closed: ArmResult | None,
    slices: Mapping[str, MetricResult],
    profile: InformationProfile | None,
) -> None:
    """Final values, slices and curves of one arm and seed.

    Beside them stand bare and the partner of the same seed, and the best closed form.
    """
    import pandas as pd

    fit, metric = arm.fit, report.MAIN_METRIC
    values = {f"test/{name}": value for name, value in fit.test.items()}
    values |= {f"best/{name}": value for name, value in fit.val.items()}
    values |= {
        "best_epoch": fit.best_epoch,
        "seconds_per_epoch": fit.seconds_per_epoch,
        "peak_memory_mb": fit.peak_memory_mb,
    }
    if bare is not None:
        values |= _more("gain_percent", arm.result.test[metric], bare.test[metric])
        times = (arm.result.seconds_per_epoch, bare.seconds_per_epoch)
        values |= _more("overhead_percent", *times)
    if partner is not None:
        values |= _more("gain_over_partner_percent", arm.result.test[metric], partner.test[metric])
    if closed is not None:
        best = closed.mean[metric]
        values |= _more("over_closed_form_percent", arm.result.test[metric], best)
        if arm.result.test[metric] < best:
            tracker.set_tags({"below_closed_form": closed.backbone})
    if profile is not None:
        values |= profile.metrics()
    tracker.log_metrics(values)
    rows = [
        {"slice": name, "users": result.users.numel(), **result.values}
        for name, result in slices.items()
    ]
    tracker.log_table(pd.DataFrame(rows), "tables/slices.json")
    name = f"curves-{arm.arm.label}-seed{arm.result.seed}.png"
    draw(tracker, outputs, "curves", name, fit.history, fit.best_epoch)


def finish_parent(
    tracker: Tracker,
    outputs: Outputs,
    arms: Sequence[ArmResult],
    comparisons: Sequence[ArmComparison],
    markdown: str,
    bundle: Bundle | None,
) -> None:
    """Comparison, description, tables, files and the best recommender."""
    import pandas as pd

    metric = report.MAIN_METRIC
    values = {f"{a.backbone}-{a.arm}/test/{metric}": a.mean[metric] for a in arms}
    partners = {(a.backbone, a.arm): a.partner for a in arms}
    for c in comparisons:
        of_arm = f"{c.backbone}-{c.arm}"
        if c.metric == metric and c.baseline == "bare":
            values[f"{of_arm}/gain_percent"] = c.gain_percent
        if c.metric == metric and c.baseline == partners[c.backbone, c.arm]:
            values[f"{of_arm}/gain_over_partner_percent"] = c.gain_percent
    if (best := best_closed_form(arms, metric)) is not None:
        for arm in arms:
            name = f"{arm.backbone}-{arm.arm}/over_closed_form_percent"
            if arm.arm != CLOSED_FORM:
                values |= _more(name, arm.mean[metric], best.mean[metric])
    tracker.log_metrics(values)
    if below := below_closed_form(arms, metric):
        tracker.set_tags({"below_closed_form": " ".join(arm.sentence for arm in below)})
    tracker.set_description(markdown)
    tracker.log_table(
        pd.DataFrame([{"backbone": a.backbone, "arm": a.arm, **a.mean} for a in arms]),
        "tables/arms.json",
    )
    if bundle is not None:
        tracker.log_table(_examples(bundle), "tables/examples.json")
        tracker.log_model(outputs.bundle, users=bundle.users.ids[:3])
    for path in (outputs.config, outputs.results, outputs.report):
        tracker.log_artifact(path)
    tracker.end_run("finished")


def draw(
    tracker: Tracker, outputs: Outputs, kind: str, name: str, *arguments: Any, **options: Any
) -> str:
    """Make a figure of :mod:`mrdib_graph.plotting`, keep it and log it; its file name."""
    from mrdib_graph import plotting

    figure = getattr(plotting, kind)(*arguments, **options)
    figure.savefig(outputs.figures / name, dpi=120)
    tracker.log_artifact(outputs.figures / name, "figures")  # drawn once: that is what costs
    return name


def _more(name: str, value: float, base: float) -> dict[str, float]:
    """How much more than a base, in percent; nothing over 0."""
    return {name: 100 * (value / base - 1)} if base > 0 else {}


def _examples(bundle: Bundle) -> Any:
    """A few users' recommendations, with names where the source has them."""
    import pandas as pd

    users = bundle.users.ids[:20]
    found = bundle.recommend_batch(users, min(5, len(bundle.items)))
    return pd.DataFrame(
        [
            {"user": user, "rank": r.rank, "item": r.item, "name": r.name, "score": r.score}
            for user, recommended in zip(users, found, strict=True)
            for r in recommended
        ]
    )


def _features(info: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that say where the feature rows came from: ``features.text.encoder``, ..."""
    return {"features": info["features"]} if info["features"] else {}


def _tags(info: Mapping[str, Any]) -> dict[str, str]:
    from mrdib_graph.version import __version__

    return {
        "dataset": info["name"],
        "dataset_digest": info["digest"],
        "library_version": __version__,
        "commit": str(git_state()["commit"]),
    }
