"""The planted truth: closed form, enumeration, readings."""

import math

import numpy as np
import pytest
import torch

from mrdib_graph import graph
from mrdib_graph.datasets import Planted
from mrdib_graph.datasets.planted.closed_form import closed_reliability
from mrdib_graph.datasets.planted.modality_reading import read
from mrdib_graph.errors import ConfigError

PAIR = ("image", "text")


def parts(split):
    return [split.redundant, *split.unique, split.synergistic]


@pytest.mark.parametrize(
    ("options", "pair", "expected"),
    [
        ({}, PAIR, [0.359, 0.324, 0.324, 0.317]),
        ({}, ("image", "audio"), [0.324, 0.359, 0.324, 0.014]),
        ({"redundant": 0.0}, PAIR, [0.035, 0.324, 0.324, 0.303]),
        ({"unique": 0.0}, PAIR, [0.359, 0.0, 0.0, 0.317]),
        ({"synergy": 0.0}, PAIR, [0.324, 0.324, 0.324, 0.014]),
        ({"synergy_kind": "product"}, PAIR, [0.324, 0.324, 0.324, 0.329]),
        ({"unique": {"image": 1.0, "text": 0.3, "audio": 0.7}}, PAIR, [0.359, 0.662, 0.060, 0.317]),
    ],
)
def test_closed_truth_of_the_design(options, pair, expected):
    split = Planted.calibration(**options).truth(pair, "closed")
    assert parts(split) == pytest.approx(expected, abs=1e-3)
    assert sum(parts(split)) == pytest.approx(split.total)


def test_closed_information_by_hand():
    dataset = Planted.calibration(noise=0.0)
    bit = 0.49 / (2 * math.log(2))
    assert dataset.information([], "closed") == 0
    assert dataset.information(["audio"], "closed") == pytest.approx(2 * bit)
    assert dataset.information(["image"], "closed") == pytest.approx((2 + 1 / 10) * bit)
    assert dataset.information(["image", "text", "audio"], "closed") == pytest.approx(5 * bit)


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_closed_product_against_sampled_tastes(width):
    dataset = Planted(
        factor_dim=width, irrelevant_dim=0, synergy_kind="product", synergy=1.3, noise=0.0
    )
    rng = np.random.default_rng(0)
    w = rng.normal(size=(200_000, width))
    x = 1.3 * w / np.linalg.norm(w, axis=1, keepdims=True)
    sampled = (x * np.tanh(x) - np.log(np.cosh(x))).sum(1).mean() / np.log(2)
    assert dataset.truth(PAIR, "closed").synergistic == pytest.approx(sampled, rel=0.01)


def test_closed_missing_is_a_mean_over_patterns():
    dataset = Planted.calibration(missing={"image": 0.25})
    whole = Planted.calibration()
    alone = whole.information(["text"], "closed")
    assert dataset.information(PAIR, "closed") == pytest.approx(
        0.75 * whole.information(PAIR, "closed") + 0.25 * alone
    )
    split, full = dataset.truth(PAIR, "closed"), whole.truth(PAIR, "closed")
    assert split.redundant == pytest.approx(0.75 * full.redundant)
    assert split.unique[0] == pytest.approx(0.75 * full.unique[0])
    assert split.unique[1] == pytest.approx(0.75 * full.unique[1] + 0.25 * alone)
    assert split.synergistic == pytest.approx(0.75 * full.synergistic)


@pytest.mark.parametrize(
    "modalities", [("image",), ("audio",), PAIR, ("image", "audio"), ("image", "text", "audio")]
)
def test_reading_is_the_best_linear_prediction_from_the_features(modalities):
    """Least squares of each factor on the features, which knows nothing of how they were made."""
    dataset = Planted(
        num_users=30,
        num_items=8_000,
        num_interactions=180,
        noise=0.5,
        kappa=1.0,
        modalities={"image": 16, "text": 12, "audio": 10},
    )
    data = dataset[0]
    x = torch.cat([data[m].x.double() for m in modalities], dim=1)
    reading = read(dataset.config, dataset._draws, modalities)
    expected = closed_reliability(dataset.config, modalities)
    for group in {"redundant", *(f"unique_{m}" for m in modalities)} | set(reading):
        factor = dataset._draws.factors.items[group]
        fitted = x @ torch.linalg.lstsq(x, factor).solution
        explained = 1 - ((factor - fitted).square().sum() / factor.square().sum()).item()
        assert explained == pytest.approx(expected[group], abs=0.03)
        torch.testing.assert_close(
            reading[group].reliability, torch.full((8_000,), expected[group]).double()
        )
        assert (reading[group].mean - fitted).square().mean().sqrt() < 0.06


def test_product_reading_gets_the_signs():
    dataset = Planted.calibration(synergy_kind="product")
    joint = read(dataset.config, dataset._draws, PAIR)["synergy"]
    factor = dataset._draws.factors.items["synergy"]
    assert (joint.mean - factor).abs().mean() < 0.01
    assert not read(dataset.config, dataset._draws, ["image"])["synergy"].mean.any()


def slow_bits(dataset, score):
    """I_A from its formula, one user at a time, for the best of the four temperatures."""
    draws, config = dataset._draws, dataset.config
    train, held = (
        [set() for _ in range(config.num_users)],
        np.zeros(config.num_users),
    )
    for user, item in graph.interactions(dataset[0], "train").T.tolist():
        train[user].add(item)
    for split in ("val", "test"):
        for user in graph.interactions(dataset[0], split)[0].tolist():
            held[user] += 1
    popularity = draws.factors.log_popularity.exp().numpy()
    best = -np.inf
    for c in (1.0, 0.9, 0.8, 0.7):
        total = 0.0
        for user in range(config.num_users):
            allowed = [i for i in range(config.num_items) if i not in train[user]]
            s = sum(
                dial * (draws.factors.items[g] @ draws.factors.tastes[g][user]).numpy()
                for g, dial in config.dials.items()
            )[allowed]
            picked = popularity[allowed] * np.exp(s)
            picked /= picked.sum()
            q = popularity[allowed] / popularity[allowed].sum()
            ratio = c * score(torch.tensor([user]))[0].double().numpy()[allowed]
            total += held[user] * (picked * (ratio - np.log((q * np.exp(ratio)).sum()))).sum()
        best = max(best, total / held.sum() / np.log(2))
    return best


@pytest.mark.parametrize("missing", [{}, {"image": 0.3}])
def test_enumeration_against_a_slow_loop(missing):
    dataset = Planted(
        num_users=40, num_items=80, num_interactions=320, missing=missing, cold_items=0.1
    )
    for modalities in (["image"], list(PAIR), ["image", "text", "audio"]):
        slow = slow_bits(dataset, dataset.oracle_score(modalities))
        assert dataset.information(modalities) == pytest.approx(slow, abs=1e-5)


@pytest.mark.parametrize(
    ("options", "pair", "expected"),
    [
        ({}, PAIR, [0.260, 0.244, 0.258, 0.263]),
        ({}, ("image", "audio"), [0.233, 0.271, 0.245, 0.013]),
        ({"redundant": 0.0}, PAIR, [0.019, 0.243, 0.262, 0.253]),
        ({"unique": 0.0}, PAIR, [0.316, -0.003, 0.000, 0.290]),
        ({"synergy": 0.0}, PAIR, [0.246, 0.258, 0.269, 0.012]),
        ({"synergy_kind": "product"}, PAIR, [0.237, 0.244, 0.265, 0.290]),
        ({"unique": {"image": 1.0, "text": 0.3, "audio": 0.7}}, PAIR, [0.270, 0.488, 0.048, 0.259]),
    ],
)
def test_enumerated_truth_is_that_of_other_draws(options, pair, expected):
    """The expected parts come from an independent program and its own draws."""
    split = Planted.calibration(**options).truth(pair)
    unequal = isinstance(options.get("unique"), dict)
    assert parts(split) == pytest.approx(expected, abs=0.05 if unequal else 0.03)
    assert sum(parts(split)) == pytest.approx(split.total)


@pytest.mark.parametrize("dial", ["redundant", "unique", "synergy"])
def test_each_dial_feeds_its_own_part(dial):
    off, on = Planted.calibration(**{dial: 0.0}).truth(PAIR), Planted.calibration().truth(PAIR)
    names = ("redundant", "unique", "unique", "synergy")
    for name, without, with_dial in zip(names, parts(off), parts(on), strict=True):
        if name == dial:
            assert abs(without) < 0.05 < with_dial - 0.1
        else:
            assert without == pytest.approx(with_dial, abs=0.06)


def test_parts_swap_with_the_pair():
    dataset = Planted(num_users=100, num_items=200, num_interactions=1_000, missing={"text": 0.2})
    for kind in ("enumerated", "closed"):
        there, back = dataset.truth(PAIR, kind), dataset.truth(PAIR[::-1], kind)
        assert parts(there) == pytest.approx([parts(back)[k] for k in (0, 2, 1, 3)])


def test_without_content_there_is_no_information():
    dataset = Planted(
        num_users=50, num_items=100, num_interactions=400, redundant=0, unique=0, synergy=0
    )
    for kind in ("enumerated", "closed"):
        assert parts(dataset.truth(PAIR, kind)) == pytest.approx([0] * 4, abs=1e-9)
    codes = dataset.oracle_codes()
    assert not any(z.any() for z in codes["user"].values())


def test_oracle_codes_score_like_the_oracle_of_one_modality():
    dataset = Planted(num_users=50, num_items=100, num_interactions=400, missing={"audio": 0.2})
    codes = dataset.oracle_codes()
    users = torch.tensor([7, 3])
    widths = {"image": 6, "text": 6, "audio": 4}
    for m, width in widths.items():
        assert codes["user"][m].shape == (50, width) and codes["item"][m].shape == (100, width)
        assert codes["item"][m].dtype == torch.float32
    product = codes["user"]["image"][users] @ codes["item"]["image"].T
    score = dataset.oracle_score(["image"])(users)
    assert score.dtype == torch.float32
    gap = score - product
    torch.testing.assert_close(gap, gap[:, :1].expand_as(gap))
    _, has = graph.item_features(dataset[0], "audio")
    assert has.sum() == 80 and not codes["item"]["audio"][~has].any()
    assert torch.equal(
        dataset.oracle_codes()["item"]["text"],
        Planted(num_users=50, num_items=100, num_interactions=400).oracle_codes()["item"]["text"],
    )


def test_sampled_enumeration_is_near_the_whole(monkeypatch):
    from mrdib_graph.datasets.planted import truth as planted_truth

    dataset = Planted.calibration(num_users=800, num_interactions=8_000)
    whole = dataset.information(["image"])
    monkeypatch.setattr(planted_truth, "MAX_USERS", 400)
    monkeypatch.setattr(planted_truth, "MAX_ITEMS", 900)
    sampled = dataset.information(["image"])
    assert sampled == dataset.information(["image"]) != whole
    assert sampled == pytest.approx(whole, abs=0.06)


@pytest.mark.slow
def test_large_catalogue():
    dataset = Planted(num_users=4_000, num_items=30_000, num_interactions=48_000)
    counts = graph.describe(dataset[0])
    assert abs(counts["interactions"] - 48_000) < 200
    split, closed = dataset.truth(PAIR), dataset.truth(PAIR, "closed")
    assert parts(split) == pytest.approx(parts(closed), rel=0.25, abs=0.02)
    assert split.total < closed.total


@pytest.mark.parametrize(
    "ask",
    [
        lambda d: d.truth(("image", "image")),
        lambda d: d.truth(("image", "video")),
        lambda d: d.truth(("image", "text", "audio")),
        lambda d: d.truth(PAIR, "exact"),
        lambda d: d.information("image"),
        lambda d: d.information(["video"], "closed"),
        lambda d: d.oracle_score(["image"], popularity="all"),
        lambda d: d.oracle_score(["image", "image"]),
    ],
)
def test_bad_questions_are_refused(ask):
    dataset = Planted(num_users=50, num_items=100, num_interactions=400)
    with pytest.raises(ConfigError, match="expected"):
        ask(dataset)
