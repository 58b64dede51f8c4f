"""Results of a run as plain records, and the comparisons between arms."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from mrdib_graph.evaluation import average_over_seeds, compare, holm, seed_test
from mrdib_graph.experiment.presets import METHOD
from mrdib_graph.typing import Metrics

if TYPE_CHECKING:
    from mrdib_graph.experiment.arms import Arm

SCHEMA_VERSION = 2

CLOSED_FORM = "closed-form"
"""The arm of every closed-form baseline."""


@dataclass
class SeedResult:
    """One trained recommender; ``per_user`` and ``users`` go to a table of their own."""

    seed: int
    best_epoch: int
    epochs: int
    seconds_per_epoch: float
    peak_memory_mb: float
    val: Metrics
    test: Metrics
    users: Tensor = field(repr=False)
    per_user: dict[str, Tensor] = field(repr=False)


@dataclass
class ArmResult:
    """One arm over seeds.

    Args:
        backbone: The backbone's name, or the closed-form baseline's.
        arm: The arm's name.
        seeds: Its results.
        late_fusion: Whether it stands on late fusion.
        partner: The arm that it is fairly compared with; None for bare and for baselines.
        is_control: Whether the method is compared with it.
    """

    backbone: str
    arm: str
    seeds: list[SeedResult] = field(default_factory=list)
    late_fusion: bool = False
    partner: str | None = None
    is_control: bool = False

    @classmethod
    def of(cls, arm: Arm) -> ArmResult:
        """Of an arm, without results yet."""
        shared = (arm.late_fusion, arm.partner, arm.is_control)
        return cls(arm.backbone_name, arm.name, [], *shared)

    @property
    def mean(self) -> Metrics:
        """Mean over seeds of every test metric."""
        return {k: float(np.mean([s.test[k] for s in self.seeds])) for k in self.seeds[0].test}

    @property
    def sd(self) -> Metrics:
        """Standard deviation over seeds of every test metric; 0 for one seed."""
        ddof = 1 if len(self.seeds) > 1 else 0
        return {
            k: float(np.std([s.test[k] for s in self.seeds], ddof=ddof)) for k in self.seeds[0].test
        }

    @property
    def seconds_per_epoch(self) -> float:
        """Median over seeds."""
        return float(np.median([s.seconds_per_epoch for s in self.seeds]))

    def validation(self, metric: str) -> float:
        """Mean over seeds of a validation metric."""
        return float(np.mean([s.val[metric] for s in self.seeds]))

    def per_user(self, metric: str) -> Tensor:
        """Each test user's metric, averaged over seeds [n]."""
        return average_over_seeds([s.per_user[metric] for s in self.seeds])

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready record of ``results.json``."""
        seeds = [
            {
                f.name: getattr(s, f.name)
                for f in dataclasses.fields(s)
                if f.name not in ("users", "per_user")
            }
            for s in self.seeds
        ]
        return {
            "backbone": self.backbone,
            "arm": self.arm,
            "late_fusion": self.late_fusion,
            "partner": self.partner,
            "is_control": self.is_control,
            "seeds": seeds,
            "mean": self.mean,
            "sd": self.sd,
        }


@dataclass(frozen=True)
class ArmComparison:
    """An arm against another of the same backbone on one metric.

    ``p_value`` is Wilcoxon's over users (means over seeds), ``p_holm`` the same after Holm over
    all comparisons of that metric made with it, ``p_seeds`` a paired t test over seeds (None for
    one seed).
    """

    backbone: str
    baseline: str
    arm: str
    metric: str
    gain_percent: float
    p_value: float
    p_holm: float
    p_seeds: float | None
    ci95: tuple[float, float]


def compare_arms(arms: list[ArmResult], metrics: list[str]) -> list[ArmComparison]:
    """Every arm against bare and its partner, and mrdib against every control, per backbone."""
    known = {(a.backbone, a.arm): a for a in arms}
    pairs = [(a.backbone, "bare", a.arm) for a in arms]
    pairs += [(a.backbone, a.partner, a.arm) for a in arms if a.partner is not None]
    pairs += [(a.backbone, a.arm, name) for a in arms if a.is_control for name in METHOD]
    found = [
        (known[backbone, base], known[backbone, arm])
        for backbone, base, arm in dict.fromkeys(pairs)
        if base != arm and {(backbone, base), (backbone, arm)} <= known.keys()
    ]
    return compare_pairs(found, metrics)


def compare_pairs(
    pairs: list[tuple[ArmResult, ArmResult]], metrics: list[str]
) -> list[ArmComparison]:
    """Baseline and arm of each pair; all pairs are one family for Holm's correction."""
    found: list[ArmComparison] = []
    for metric in metrics:
        of_metric = [compare(b.per_user(metric), t.per_user(metric), seed=0) for b, t in pairs]
        adjusted = holm([c.p_value for c in of_metric])
        for (base, arm), c, p_holm in zip(pairs, of_metric, adjusted, strict=True):
            means = [[s.test[metric] for s in a.seeds] for a in (base, arm)]
            found.append(
                ArmComparison(
                    backbone=arm.backbone,
                    baseline=base.arm,
                    arm=arm.arm,
                    metric=metric,
                    gain_percent=c.gain_percent,
                    p_value=c.p_value,
                    p_holm=p_holm,
                    p_seeds=seed_test(*means) if len(arm.seeds) > 1 else None,
                    ci95=c.ci95,
                )
            )
    return found


def fair_gains(
    arms: Sequence[ArmResult], comparisons: Sequence[ArmComparison]
) -> list[ArmComparison]:
    """The comparisons with bare and with each arm's partner."""
    partners = {(a.backbone, a.arm): a.partner for a in arms}
    return [c for c in comparisons if c.baseline in ("bare", partners[c.backbone, c.arm])]
