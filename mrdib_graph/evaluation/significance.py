r"""Is a gain larger than chance?  Paired comparisons of per-user metrics.

The unit of these tests is the user: baseline and treatment are measured on the same users, so their
values are paired.  Runs of several seeds are averaged for each user first
(:func:`average_over_seeds`).  Whether a gain survives another seed is another question:
:func:`seed_test`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.options import Share, checked

_RESAMPLES = 2000


class Comparison(NamedTuple):
    """A paired comparison across users."""

    gain_percent: float
    """Gain of the mean in percent of the baseline's mean; NaN where that is 0."""
    p_value: float
    """Two-sided Wilcoxon signed-rank test over users."""
    ci95: tuple[float, float]
    """95 % interval of the gain in percent, from a paired bootstrap over users."""
    n: int
    """Number of users."""


def average_over_seeds(per_user: Sequence[Tensor]) -> Tensor:
    """Mean over seeds of each user's metric, [n] float64.

    A user's values under several seeds are not independent draws of users.  Testing them as users
    times seeds rows would count each user once per seed and make p values too small, so a user
    enters every test once, with the mean.

    Args:
        per_user: One vector [n] a seed, all over the same users in the same order.

    Raises:
        ConfigError: There is no vector, or their lengths differ.
    """
    sizes = [tuple(values.shape) for values in per_user]
    if not sizes or len(set(sizes)) > 1 or len(sizes[0]) != 1:
        raise ConfigError(f"per_user: got shapes {sizes}, expected vectors over the same users")
    return torch.stack([values.double() for values in per_user]).mean(0)


def compare(baseline: Tensor, treatment: Tensor, seed: int) -> Comparison:
    r"""Compare two per-user metrics.

    The gain is :math:`100\,(\bar t - \bar b) / \bar b`.  The bootstrap draws users with
    replacement 2,000 times; the interval is the 2.5 to 97.5 percentile of the resampled mean
    difference, in percent of :math:`\bar b` as observed.  The Wilcoxon test leaves out users whose
    values are equal (Wilcoxon's own rule); if all are, p is 1.

    Args:
        baseline: Per-user values [n].
        treatment: Per-user values [n] of the same users.
        seed: Seed of the bootstrap.

    Raises:
        ConfigError: The vectors differ in length, are shorter than 2, or are not finite.
    """
    from scipy import stats

    base, difference = _paired(baseline, treatment, "users")
    mean = float(base.mean())
    percent = 100 / mean if mean else float("nan")
    low, high = np.quantile(_bootstrap_means(difference, seed), [0.025, 0.975]) * percent
    p_value = float(stats.wilcoxon(difference).pvalue) if difference.any() else 1.0
    gain = float(difference.mean()) * percent
    return Comparison(gain, p_value, (float(low), float(high)), difference.size)


def _paired(
    baseline: Tensor | Sequence[float], treatment: Tensor | Sequence[float], what: str
) -> tuple[np.ndarray, np.ndarray]:
    """Baseline and difference as float64; differences that are rounding alone become 0."""
    base, treat = (torch.as_tensor(x, dtype=torch.float64).cpu() for x in (baseline, treatment))
    if base.dim() != 1 or base.shape != treat.shape or base.numel() < 2:
        raise ConfigError(
            f"comparison: got {tuple(base.shape)} and {tuple(treat.shape)}, expected two vectors "
            f"over the same {what}, at least 2"
        )
    if not bool((torch.isfinite(base) & torch.isfinite(treat)).all()):
        raise ConfigError("comparison: a value is NaN or infinite, expected metric values")
    return base.numpy(), np.round((treat - base).numpy(), 12)


def _bootstrap_means(values: np.ndarray, seed: int) -> np.ndarray:
    """Means of resamples with replacement.

    Most users' metrics are equal in both arms, and a zero adds nothing to a sum: how many of the
    other users a resample holds is binomial, and only those are drawn.
    """
    rng = np.random.default_rng(seed)
    changed = values[values != 0]
    if not changed.size:
        return np.zeros(_RESAMPLES)
    drawn = rng.binomial(values.size, changed.size / values.size, _RESAMPLES)
    sums = [changed[rng.integers(changed.size, size=size)].sum() for size in drawn]
    return np.array(sums) / values.size


@checked
def holm(p_values: Sequence[Share]) -> list[float]:
    r"""Holm's adjusted p values over a family of comparisons, in the same order.

    .. math:: \tilde p_{(i)} = \max_{j \le i} \min\big((m - j + 1)\, p_{(j)}, 1\big)

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.

    Raises:
        ConfigError: A value is not a probability.
    """
    if not p_values:
        return []
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in adjusted]


def seed_test(baseline: Tensor | Sequence[float], treatment: Tensor | Sequence[float]) -> float:
    """Two-sided p value of a paired t test over seeds.

    Args:
        baseline: Mean metric of each seed.
        treatment: Mean metric of each seed, the same seeds in the same order.

    Raises:
        ConfigError: Fewer than two seeds, or the lists differ in length.
    """
    from scipy import stats

    _, difference = _paired(baseline, treatment, "seeds")
    if np.ptp(difference) == 0:  # no spread: the t statistic is undefined or infinite
        return 1.0 if difference[0] == 0 else 0.0
    return float(stats.ttest_1samp(difference, 0.0).pvalue)


@checked
def noise_floor(recall: Share, num_positives: Tensor) -> float:
    r"""Standard deviation of a mean recall if each positive were found by chance alone.

    With every positive found with probability p, a user's recall of m positives has the variance
    :math:`p(1 - p)/m`, so the mean over n users has

    .. math:: \sigma = \tfrac{1}{n} \sqrt{p (1 - p) \textstyle\sum_u 1 / m_u}

    Divide by the recall for the relative floor.  Differences below it mean nothing, whatever the
    seeds say.

    Args:
        recall: Mean recall p, between 0 and 1.
        num_positives: Number of positives of each user [n], at least 1:
            ``MetricResult.num_positives``.

    Raises:
        ConfigError: An argument is out of range.
    """
    if not num_positives.numel() or int(num_positives.min()) < 1:
        raise ConfigError("num_positives: expected at least one user, each with a positive")
    inverse = float((1 / num_positives.double()).sum())
    return float((recall * (1 - recall) * inverse) ** 0.5) / num_positives.numel()
