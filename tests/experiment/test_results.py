"""Results over seeds, and the comparisons between arms."""

import math
import statistics

import numpy as np
import pytest
import torch
from scipy import stats

from mrdib_graph.experiment import ArmComparison, ArmResult, SeedResult, compare_arms

METRICS = ["recall@20", "ndcg@20"]
USERS = 40


def seed_result(seed: int, level: float) -> SeedResult:
    rng = np.random.default_rng((seed, int(1000 * level)))
    per_user = {m: torch.from_numpy((rng.random(USERS) < level) * 1.0) for m in METRICS}
    test = {m: float(v.mean()) for m, v in per_user.items()}
    val = {m: v + 0.1 for m, v in test.items()}
    return SeedResult(seed, 3, 9, 0.5 + seed, 100.0, val, test, torch.arange(USERS), per_user)


def arm(arm: str, level: float, seeds: tuple[int, ...] = (0, 1, 2), b: str = "vbpr"):
    control = arm in ("noise", "id-dropout", "bare-late", "noise-late")
    partner = (
        None if arm == "bare" else "bare-late" if arm in ("mrdib-late", "noise-late") else "bare"
    )
    results = [seed_result(seed, level) for seed in seeds]
    return ArmResult(b, arm, results, partner=partner, is_control=control)


def test_mean_deviation_and_the_rest_over_seeds() -> None:
    found = arm("bare", 0.4)
    for metric in METRICS:
        values = [s.test[metric] for s in found.seeds]
        assert found.mean[metric] == pytest.approx(statistics.fmean(values))
        assert found.sd[metric] == pytest.approx(statistics.stdev(values))
        assert found.validation(metric) == pytest.approx(statistics.fmean(values) + 0.1)
    assert found.seconds_per_epoch == 1.5
    by_hand = sum(s.per_user["recall@20"] for s in found.seeds) / 3
    torch.testing.assert_close(found.per_user("recall@20"), by_hand)
    assert arm("bare", 0.4, (0,)).sd == dict.fromkeys(METRICS, 0.0)


def test_the_record_of_results_json() -> None:
    found = arm("noise", 0.3, (4, 5)).to_dict()
    assert list(found) == [
        *("backbone", "arm", "late_fusion", "partner", "is_control", "seeds", "mean", "sd"),
    ]
    assert (found["backbone"], found["arm"]) == ("vbpr", "noise")
    assert not found["late_fusion"] and found["is_control"] and found["partner"] == "bare"
    assert [s["seed"] for s in found["seeds"]] == [4, 5]
    for seed in found["seeds"]:
        assert list(seed) == [
            *("seed", "best_epoch", "epochs", "seconds_per_epoch", "peak_memory_mb"),
            *("val", "test"),
        ]  # per-user values go to a table of their own
        assert (seed["best_epoch"], seed["epochs"], seed["peak_memory_mb"]) == (3, 9, 100.0)


def pairs(found: list[ArmComparison]) -> list[tuple[str, str, str]]:
    return [(c.backbone, c.baseline, c.arm) for c in found if c.metric == METRICS[0]]


def test_what_is_compared_with_what() -> None:
    arms = [
        arm("closed-form", 0.9, (0,), "ease"),
        *(arm(o, 0.4 + i / 20) for i, o in enumerate(("bare", "mrdib", "paper", "noise"))),
        *(arm(o, 0.5 + i / 20, b="lattice") for i, o in enumerate(("mrdib", "id-dropout"))),
        arm("bare", 0.3, b="lightgcn"),
    ]
    assert pairs(compare_arms(arms, METRICS)) == [
        ("vbpr", "bare", "mrdib"),
        ("vbpr", "bare", "paper"),
        ("vbpr", "bare", "noise"),
        ("vbpr", "noise", "mrdib"),
        ("lattice", "id-dropout", "mrdib"),  # no bare arm ran
    ]
    assert compare_arms([arm("bare", 0.4)], METRICS) == []
    assert compare_arms([arm("noise", 0.4), arm("paper", 0.5)], METRICS) == []


def test_an_arm_on_late_fusion_is_compared_with_bare_and_with_bare_on_late_fusion() -> None:
    arms = [arm(o, 0.4) for o in ("bare", "bare-late", "mrdib", "mrdib-late", "noise-late")]
    assert pairs(compare_arms(arms, METRICS)) == [
        *(("vbpr", "bare", o) for o in ("bare-late", "mrdib", "mrdib-late", "noise-late")),
        ("vbpr", "bare-late", "mrdib-late"),
        ("vbpr", "bare-late", "noise-late"),
        ("vbpr", "bare-late", "mrdib"),
        ("vbpr", "noise-late", "mrdib"),
        ("vbpr", "noise-late", "mrdib-late"),
    ]


def test_the_values_of_a_comparison() -> None:
    bare, mrdib, noise = arm("bare", 0.3), arm("mrdib", 0.6), arm("noise", 0.35)
    found = compare_arms([bare, mrdib, noise], METRICS)
    assert len(found) == 3 * len(METRICS)
    for metric in METRICS:
        family = [c for c in found if c.metric == metric]
        by_hand = []
        for c, (base, treat) in zip(
            family, [(bare, mrdib), (bare, noise), (noise, mrdib)], strict=True
        ):
            assert c.gain_percent == pytest.approx(
                100 * (treat.mean[metric] - base.mean[metric]) / base.mean[metric]
            )
            low, high = c.ci95
            assert low < c.gain_percent < high
            difference = (treat.per_user(metric) - base.per_user(metric)).numpy().round(12)
            assert c.p_value == pytest.approx(stats.wilcoxon(difference).pvalue)
            of_seeds = [[s.test[metric] for s in a.seeds] for a in (treat, base)]
            assert c.p_seeds == pytest.approx(stats.ttest_rel(*of_seeds).pvalue)
            by_hand.append(c.p_value)
        smallest = int(np.argmin(by_hand))
        assert family[smallest].p_holm == pytest.approx(min(1, 3 * by_hand[smallest]))
        assert all(c.p_holm >= c.p_value for c in family)


def test_one_seed_has_no_test_over_seeds() -> None:
    found = compare_arms([arm("bare", 0.3, (0,)), arm("mrdib", 0.6, (0,))], METRICS)
    assert [c.p_seeds for c in found] == [None, None]


def test_a_bare_arm_without_a_hit_gives_no_percentage() -> None:
    bare, mrdib = arm("bare", 0.0), arm("mrdib", 0.5)
    assert bare.mean["recall@20"] == 0
    [c] = compare_arms([bare, mrdib], ["recall@20"])
    assert math.isnan(c.gain_percent) and math.isnan(c.ci95[0]) and c.p_value < 0.01
