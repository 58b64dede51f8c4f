import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from statsmodels.stats.multitest import multipletests
from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.evaluation import (
    Comparison,
    average_over_seeds,
    compare,
    holm,
    noise_floor,
    seed_test,
)


def users(seed: int, n: int = 400, gain: float = 0.05) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    base = torch.randint(0, 4, (n,), generator=generator).double() / 4
    better = torch.rand(n, generator=generator) < 4 * gain
    return base, (base + 0.25 * better).clamp(max=1)


def test_interval_equals_a_plain_bootstrap() -> None:
    base, treatment = users(0)
    result = compare(base, treatment, seed=1)
    scipy = stats.bootstrap(
        ((treatment - base).numpy(),), np.mean, method="percentile", n_resamples=5000, rng=2
    ).confidence_interval
    percent = 100 / float(base.mean())
    width = (scipy.high - scipy.low) * percent
    assert result.ci95[0] == pytest.approx(scipy.low * percent, abs=0.06 * width)
    assert result.ci95[1] == pytest.approx(scipy.high * percent, abs=0.06 * width)
    assert result.ci95[0] < result.gain_percent < result.ci95[1]
    assert result.gain_percent == pytest.approx(100 * float(treatment.mean() / base.mean() - 1))
    assert isinstance(result, Comparison) and result.n == 400


def test_wilcoxon_equals_enumeration() -> None:
    """The exact distribution over all sign patterns of eight distinct differences."""
    difference = torch.tensor([0.1, -0.2, 0.3, 0.4, 0.5, -0.6, 0.7, 0.8], dtype=torch.float64)
    base = torch.ones(8, dtype=torch.float64)
    ranks = np.arange(1, 9)
    sums = [ranks @ np.array(signs) for signs in itertools.product((0, 1), repeat=8)]
    observed = ranks @ (difference.numpy() > 0)
    tail = np.mean(np.array(sums) >= observed)
    assert compare(base, base + difference, seed=0).p_value == pytest.approx(2 * tail)


def test_same_seed_same_interval() -> None:
    base, treatment = users(3)
    assert compare(base, treatment, 5) == compare(base, treatment, 5)
    assert compare(base, treatment, 5).ci95 != compare(base, treatment, 6).ci95


def test_exchanging_the_arms_turns_the_gain() -> None:
    base, treatment = users(4)
    there, back = compare(base, treatment, 0), compare(treatment, base, 0)
    assert there.gain_percent > 0 > back.gain_percent
    assert there.p_value == pytest.approx(back.p_value)
    assert there.p_value < 1e-6
    assert there.ci95[0] > 0 > back.ci95[1]


def test_p_values_are_small_as_often_as_they_should_be() -> None:
    """Without a difference, about 5 % of the p values are below 0.05."""
    generator = torch.Generator().manual_seed(0)
    small = 0
    for _ in range(100):
        base, treatment = torch.rand(2, 40, generator=generator, dtype=torch.float64)
        small += compare(base, treatment, 0).p_value < 0.05
    assert 1 <= small <= 13  # binomial(100, 0.05): outside with probability below 1 %


def test_equal_arms() -> None:
    base, _ = users(0)
    noise = torch.full_like(base, 1e-16)  # what averaging seeds in another order leaves
    result = compare(base, base + noise, 0)
    assert (result.gain_percent, result.p_value, result.ci95) == (0.0, 1.0, (0.0, 0.0))


def test_no_gain_over_a_baseline_of_zero() -> None:
    result = compare(torch.zeros(50), torch.rand(50), 0)
    assert math.isnan(result.gain_percent) and all(map(math.isnan, result.ci95))
    assert result.p_value < 1e-6


@pytest.mark.parametrize(
    ("base", "treatment"),
    [
        (torch.ones(3), torch.ones(4)),
        (torch.ones(1), torch.ones(1)),
        (torch.ones(2, 2), torch.ones(2, 2)),
        (torch.ones(3), torch.tensor([1.0, float("nan"), 0.0])),
    ],
)
def test_compare_refuses(base: Tensor, treatment: Tensor) -> None:
    with pytest.raises(ConfigError, match="comparison"):
        compare(base, treatment, 0)


def test_average_over_seeds() -> None:
    vectors = [torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0]), torch.tensor([0.5, 0.25])]
    assert average_over_seeds(vectors).tolist() == [0.5, 0.75]
    for bad in ([], [torch.ones(2), torch.ones(3)], [torch.ones(2, 2)]):
        with pytest.raises(ConfigError, match="per_user"):
            average_over_seeds(bad)


def test_seeds_as_users_would_overstate() -> None:
    """Five identical seeds carry no more evidence than one."""
    base, treatment = users(1, n=60, gain=0.02)
    once = compare(base, treatment, 0).p_value
    averaged = compare(
        average_over_seeds([base] * 5), average_over_seeds([treatment] * 5), 0
    ).p_value
    assert averaged == pytest.approx(once)
    assert compare(base.repeat(5), treatment.repeat(5), 0).p_value < 0.1 * once


def test_holm_by_hand() -> None:
    """Sorted .01, .02, .03, .04 times 4, 3, 2, 1, made monotone and cut at 1."""
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []
    p_values = torch.rand(40, generator=torch.Generator().manual_seed(0)).double().pow(3).tolist()
    expected = multipletests(p_values, method="holm")[1]
    assert holm(p_values) == pytest.approx(expected.tolist())
    with pytest.raises(ConfigError, match="p_values"):
        holm([0.5, float("nan")])


def test_seed_test() -> None:
    base, treatment = [0.40, 0.41, 0.39, 0.42, 0.40], [0.41, 0.43, 0.39, 0.44, 0.42]
    expected = stats.ttest_rel(treatment, base).pvalue
    assert seed_test(base, treatment) == pytest.approx(expected)
    assert seed_test(torch.tensor(base), torch.tensor(treatment)) == pytest.approx(
        expected, rel=1e-4
    )
    assert seed_test(base, base) == 1.0
    with pytest.raises(ConfigError, match="same seeds, at least 2"):
        seed_test([0.4], [0.5])


def test_noise_floor_equals_a_simulation() -> None:
    generator = np.random.default_rng(0)
    count = np.array([1, 1, 2, 5, 10, 3] * 50)
    recalls = generator.binomial(count, 0.3, size=(4000, count.size)) / count
    floor = noise_floor(0.3, torch.from_numpy(count))
    assert floor == pytest.approx(recalls.mean(1).std(), rel=0.05)


def test_noise_floor_refuses() -> None:
    with pytest.raises(ConfigError, match="recall"):
        noise_floor(1.2, torch.ones(3))
    with pytest.raises(ConfigError, match="num_positives"):
        noise_floor(0.2, torch.tensor([1, 0]))
