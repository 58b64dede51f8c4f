"""Trained arms that end below a closed form, which no claim can be built on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mrdib_graph.experiment.results import CLOSED_FORM, ArmResult


@dataclass(frozen=True)
class BelowClosedForm:
    """A trained arm whose test metric, its mean over seeds, is below that of a closed form.

    Attributes:
        backbone: Of the arm.
        arm: Its name.
        closed_form: The closed form with the highest test metric in the run.
        metric: Name of the metric.
        value: The arm's.
        closed_form_value: The closed form's.
    """

    backbone: str
    arm: str
    closed_form: str
    metric: str
    value: float
    closed_form_value: float

    @property
    def sentence(self) -> str:
        """What to tell a person."""
        return (
            f"{self.backbone} {self.arm} ends below {self.closed_form} ({self.metric} "
            f"{_short(self.value)} against {_short(self.closed_form_value)}): its numbers say "
            "nothing about a recommender that is trained well."
        )


def best_closed_form(arms: Sequence[ArmResult], metric: str) -> ArmResult | None:
    """The closed form with the highest test metric, the first of equal ones; None without any."""
    closed = [arm for arm in arms if arm.arm == CLOSED_FORM]
    return max(closed, key=lambda arm: arm.mean[metric], default=None)


def below_closed_form(arms: Sequence[ArmResult], metric: str) -> list[BelowClosedForm]:
    """The trained arms of a run that end below its best closed form.

    Args:
        arms: Trained arms and closed forms.
        metric: Test metric, compared as the table shows it: the mean over seeds.
    """
    best = best_closed_form(arms, metric)
    if best is None:
        return []
    return [
        BelowClosedForm(
            arm.backbone, arm.arm, best.backbone, metric, arm.mean[metric], best.mean[metric]
        )
        for arm in arms
        if arm.arm != CLOSED_FORM and arm.mean[metric] < best.mean[metric]
    ]


def _short(value: float) -> str:
    """Four decimals, as in the table."""
    return f"{value:.4f}".lstrip("0")
