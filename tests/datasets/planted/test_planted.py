"""The planted generator: schema, draws, options, refusals, difficulty."""

import dataclasses
import itertools
import time

import numpy as np
import pytest
import torch

from mrdib_graph import graph
from mrdib_graph.datasets import Planted
from mrdib_graph.errors import ConfigError

SMALL = {"num_users": 200, "num_items": 300, "num_interactions": 2_400}


def recall_at_20(data, score):
    """Mean over users of hits among the 20 best items outside training, by a plain loop."""
    train, test = {}, {}
    for split, rows in (("train", train), ("test", test)):
        for user, item in graph.interactions(data, split).T.tolist():
            rows.setdefault(user, set()).add(item)
    values = []
    table = score(torch.arange(graph.num_users(data))).numpy()
    for user in sorted(train.keys() & test.keys()):
        order = np.argsort(-table[user], kind="stable")[: 20 + len(train[user])]
        best = (i for i in order.tolist() if i not in train[user])
        ranked = itertools.islice(best, 20)
        values.append(len(test[user].intersection(ranked)) / len(test[user]))
    return sum(values) / len(values)


def popularity(data):
    counts = torch.zeros(graph.num_items(data))
    for item in graph.interactions(data, "train")[1].tolist():
        counts[item] += 1
    return lambda users: counts.expand(len(users), -1)


def gini(data):
    counts = np.sort(np.bincount(graph.interactions(data)[1], minlength=graph.num_items(data)))
    lorenz = np.concatenate([[0], counts.cumsum() / counts.sum()])
    return 1 - 2 * np.trapezoid(lorenz, dx=1 / len(counts))


def test_default_is_the_sparse_setting_and_fast():
    start = time.perf_counter()
    dataset = Planted()
    data = dataset[0]
    assert time.perf_counter() - start < 6  # about 0.2 s on a quiet core
    graph.validate(data)
    counts = graph.describe(data)
    assert (counts["users"], counts["items"]) == (2_000, 2_000)
    assert abs(counts["interactions"] - 24_000) < 100
    assert counts["modalities"] == {"image": 128, "text": 64, "audio": 32}
    assert dataset.config.factor_dim == 2 and dataset.config.kappa == 1.5
    assert {k: data[k].x.dtype for k in counts["modalities"]} == dict.fromkeys(
        ("image", "text", "audio"), torch.float32
    )
    assert not any("taste" in key or "factor" in key for store in data.stores for key in store)
    assert "seed 0" in dataset.split_rule


def test_calibration_setting_and_overrides():
    config = Planted.calibration(seed=3, synergy=0.0).config
    assert (config.num_items, config.num_interactions, config.factor_dim) == (1_000, 50_000, 4)
    assert (config.kappa, config.irrelevant, config.irrelevant_dim) == (3.0, 2.0, 8)
    assert (config.redundant, config.synergy, config.seed) == (0.7, 0.0, 3)


def test_same_seed_same_bytes_other_seed_other_data():
    first, again, other = Planted(**SMALL), Planted(**SMALL), Planted(**SMALL, seed=1)
    assert first.digest == again.digest != other.digest
    torch.manual_seed(123)  # the global generator plays no part
    assert Planted(**SMALL).digest == first.digest


def test_split_counts_follow_the_rule():
    data = Planted(**SMALL)[0]
    users = [graph.interactions(data, s)[0].bincount(minlength=200) for s in graph.SPLITS]
    for train, val, test in zip(*(u.tolist() for u in users), strict=True):
        held = max(1, round(0.1 * (train + val + test)))
        assert (val, test) == (held, held) and train >= 1


def test_split_is_random_in_item_order_and_popularity():
    data = Planted.calibration()[0]
    items = {s: graph.interactions(data, s)[1].double() for s in graph.SPLITS}
    counts = graph.interactions(data)[1].bincount(minlength=1_000).double()
    for split in ("val", "test"):
        assert abs(items[split].mean() - items["train"].mean()).item() < 15
        ratio = counts[items[split].long()].mean() / counts[items["train"].long()].mean()
        assert ratio.item() == pytest.approx(1.0, abs=0.05)


def test_degrees_are_within_bounds():
    degrees = graph.interactions(Planted(**SMALL, activity_spread=2.0)[0])[0].bincount()
    assert degrees.min() >= 5 and degrees.max() == 300 // 4


@pytest.mark.parametrize("num_items", [20_000, 20_001])
def test_picks_are_tilted_by_the_dials(num_items):
    """With few picks from many items t_g of a picked item has mean b_g, whichever way is drawn."""
    dataset = Planted(
        num_users=600,
        num_items=num_items,
        num_interactions=3_600,
        popularity_spread=0.5,
        redundant=0.9,
        unique={"image": 0.6, "text": 0.3, "audio": 0.0},
        synergy=0.6,
        collaborative=0.3,
    )
    data = dataset[0]
    graph.validate(data)
    assert graph.num_items(data) == num_items
    factors = dataset._draws.factors
    user, item = graph.interactions(data)
    assert abs(len(user) - 3_600) < 60
    for group, dial in dataset.config.dials.items():
        match = (factors.tastes[group][user] * factors.items[group][item]).sum(1)
        assert match.mean().item() == pytest.approx(dial, abs=0.09)
        assert match.std().item() == pytest.approx(1.0, abs=0.1)
    assert factors.log_popularity[item].mean().item() == pytest.approx(0.25, abs=0.06)


def test_candidates_that_cannot_suffice_are_refused():
    with pytest.raises(ConfigError, match="popularity_spread"):
        Planted(
            num_users=20, num_items=20_001, num_interactions=20_000, popularity_spread=8.0
        ).load()


def test_features_show_the_latents_in_orthonormal_directions():
    dataset = Planted(**SMALL, noise=0.0)
    for name, features in dataset._draws.features.items():
        x = dataset[0][name].x.double()
        latents = torch.cat(list(dataset._draws.factors.shown[name].values()), dim=1)
        width = latents.size(1) + 4  # irrelevant_dim
        assert torch.linalg.matrix_rank(x, rtol=1e-5) == width
        torch.testing.assert_close(torch.cat(list(features.views.values()), 1), latents)
        rest = x.square().sum(1) - latents.square().sum(1)  # Q keeps norms
        assert rest.mean().item() == pytest.approx(4 * 0.5**2, rel=0.15)


def test_product_synergy_is_an_exclusive_or_of_signs():
    factors = Planted(**SMALL, synergy_kind="product")._draws.factors
    a, b = factors.shown["image"]["synergy"], factors.shown["text"]["synergy"]
    assert set(a.unique().tolist()) == set(b.unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(factors.items["synergy"], a * b)
    assert "synergy" not in factors.shown["audio"]


def test_missing_leaves_everything_else():
    whole = Planted(**SMALL)[0]
    part = Planted(**SMALL, missing={"image": 0.1, "audio": 0.5})[0]
    graph.validate(part)
    counts = {m: graph.item_features(part, m)[1].sum().item() for m in graph.modalities(part)}
    assert counts == {"image": 270, "text": 300, "audio": 150}
    assert part["image"].x.size(0) == 270
    x, has = graph.item_features(part, "image")
    assert torch.equal(x[has], whole["image"].x[has]) and not x[~has].any()
    for key in ("edge_index", "train_mask", "val_mask", "test_mask"):
        assert torch.equal(part[graph.INTERACTS][key], whole[graph.INTERACTS][key])


def test_cold_items_are_only_in_validation_and_test():
    # 30 rows an item on average: no item is untrained by chance.
    options = SMALL | {"num_interactions": 9_000, "popularity_spread": 0.3}
    dataset, whole = Planted(**options, cold_items=0.05), Planted(**options)[0]
    data = dataset[0]
    graph.validate(data)
    edges = graph.interactions(data)
    assert torch.equal(edges, graph.interactions(whole))
    assert bool((graph.interactions(whole, "train")[1].bincount(minlength=300) > 0).all())
    counts = {s: graph.interactions(data, s)[1].bincount(minlength=300) for s in graph.SPLITS}
    cold = counts["train"] == 0
    assert cold.sum() == 15  # 5 % of 300
    val, test = counts["val"][cold].sum(), counts["test"][cold].sum()
    assert val + test == edges[1].bincount(minlength=300)[cold].sum() > 50
    assert test - val in (0, 1)
    assert "cold" in dataset.split_rule
    warm = ~cold[edges[1]]
    user = edges[0, warm]
    train = data[graph.INTERACTS].train_mask[warm]
    n = user.bincount(minlength=200)
    kept = user[train].bincount(minlength=200)
    assert bool((kept[n > 0] >= 1).all())


def test_one_modality_without_synergy():
    dataset = Planted(**SMALL, modalities={"text": 16}, synergy=0.0)
    graph.validate(dataset[0])
    assert dataset.information(["text"]) > 0.2
    assert dataset.oracle_codes()["item"]["text"].shape == (300, 4)


@pytest.mark.parametrize(
    ("argument", "options"),
    [
        ("num_users", {"num_users": 0}),
        ("num_items", {"num_items": 8}),
        ("num_interactions", {"num_interactions": 9_999}),
        ("factor_dim", {"factor_dim": 0}),
        ("redundant", {"redundant": -0.1}),
        ("redundant", {"redundant": float("nan")}),
        ("unique", {"unique": {"image": 1.0, "text": -1.0, "audio": 1.0}}),
        ("unique", {"unique": {"image": 1.0}}),
        ("unique", {"unique": {"image": 1.0, "text": 1.0, "audio": 1.0, "video": 1.0}}),
        ("synergy", {"synergy": -1.0}),
        ("synergy", {"modalities": {"text": 64}}),
        ("collaborative", {"collaborative": float("inf")}),
        ("synergy_kind", {"synergy_kind": "xor"}),
        ("synergy_pair", {"synergy_pair": ("image", "image")}),
        ("synergy_pair", {"synergy_pair": ("image", "video")}),
        ("kappa", {"kappa": -1.0}),
        ("irrelevant", {"irrelevant": -1.0}),
        ("irrelevant_dim", {"irrelevant_dim": -1}),
        ("noise", {"noise": -0.3}),
        ("popularity_spread", {"popularity_spread": -1.0}),
        ("activity_spread", {"activity_spread": -1.0}),
        ("min_degree", {"min_degree": 2}),
        ("modalities", {"modalities": {"image": 9, "text": 64}}),
        ("modalities", {"modalities": {}}),
        ("modalities", {"modalities": {"user": 64, "text": 64}}),
        ("missing", {"missing": {"video": 0.1}}),
        ("missing", {"missing": {"image": 1.0}}),
        ("cold_items", {"cold_items": -0.1}),
        ("cold_items", {"cold_items": 0.9}),
    ],
)
def test_bad_arguments_are_refused_by_name(argument, options):
    with pytest.raises(ConfigError, match=f"^{argument}"):
        Planted(**options)


def test_narrowest_modality_is_accepted():
    assert Planted.calibration(modalities={"image": 20, "text": 20, "audio": 16}).config
    with pytest.raises(ConfigError, match="'image' is 19 wide, expected at least 20"):
        Planted.calibration(modalities={"image": 19, "text": 20})


def test_config_cannot_be_changed_after_the_checks():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Planted(**SMALL).config.noise = -1.0


@pytest.mark.parametrize("make", [Planted, Planted.calibration])
def test_oracles_rank_as_the_dials_say(make):
    dataset = make()
    data = dataset[0]
    names = graph.modalities(data)
    noise = torch.Generator().manual_seed(0)

    def oracle(modalities, **options):
        return recall_at_20(data, dataset.oracle_score(modalities, popularity="train", **options))

    everything, content = oracle(names, collaborative=True), oracle(names)
    without_synergy = oracle(names, synergy=False)
    single = [oracle([name]) for name in names]
    popular = recall_at_20(data, popularity(data))
    at_random = recall_at_20(
        data, lambda u: torch.rand(len(u), graph.num_items(data), generator=noise)
    )
    order = [everything, content, without_synergy, max(single), min(single), popular, at_random]
    assert order == sorted(order, reverse=True)
    gaps = {"collaborative": everything - content, "synergy": content - without_synergy}
    assert min(*gaps.values(), without_synergy - max(single), min(single) - popular) > 0.02
    assert popular < oracle([], collaborative=True) < min(single)
    assert everything < 0.5
    known = dataset.oracle_score(names, collaborative=True, popularity="true")
    assert recall_at_20(data, known) > everything


def test_calibration_popularity_is_as_documented():
    data = Planted.calibration()[0]
    assert 0.4 <= gini(data) <= 0.6
    assert 0.09 <= recall_at_20(data, popularity(data)) <= 0.15
    assert 0.4 <= gini(Planted()[0]) <= 0.6


def test_true_factors_give_the_scores_of_the_reader_who_knows_everything() -> None:
    """Without noise and keys a reading of all modalities is the factors themselves."""
    planted = Planted(num_users=40, num_items=80, num_interactions=400, noise=0.0, kappa=0.0)
    user, item = planted.true_factors()
    users = torch.arange(40)
    score = planted.oracle_score(["image", "text", "audio"], collaborative=True)
    torch.testing.assert_close(user @ item.T, score(users), atol=2e-3, rtol=2e-3)
