import dataclasses

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mrdib_graph import __version__
from mrdib_graph.errors import ConfigError
from mrdib_graph.serving import Bundle, BundleInfo, Recommendation
from mrdib_graph.serving import bundle as bundle_module

ODD_IDS = st.lists(st.text(max_size=6), min_size=3, max_size=3, unique=True)


def brute_force(bundle: Bundle, user: int, k: int, exclude: set[int]) -> list[Recommendation]:
    scores = {
        item: sum(
            float(a) * float(b)
            for a, b in zip(bundle.user_table[user], bundle.item_table[item], strict=True)
        )
        for item in range(len(bundle.items))
        if item not in exclude
    }
    best = sorted(scores, key=lambda item: (-scores[item], item))[:k]
    return [
        Recommendation(
            bundle.items.ids[item],
            bundle.item_names[item] if bundle.item_names else None,
            scores[item],
            rank,
        )
        for rank, item in enumerate(best, start=1)
    ]


def seen_items(bundle: Bundle, user: int) -> set[int]:
    start, stop = bundle.history.crow[user], bundle.history.crow[user + 1]
    return set(bundle.history.col[start:stop].tolist())


@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("k", [1, 5, 17])
def test_recommend_equals_brute_force(bundle: Bundle, k: int, exclude_seen: bool) -> None:
    assert any(seen_items(bundle, user) for user in range(len(bundle.users)))
    for user, name in enumerate(bundle.users.ids):
        exclude = seen_items(bundle, user) if exclude_seen else set()
        assert bundle.recommend(name, k, exclude_seen) == brute_force(bundle, user, k, exclude)


def test_a_batch_keeps_the_order_of_its_users_and_works_in_blocks(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [*reversed(bundle.users.ids), bundle.users.ids[3]]
    expected = [bundle.recommend(user, 4) for user in users]
    assert bundle.recommend_batch(users, 4) == expected
    monkeypatch.setattr(bundle_module, "SCORES_PER_BLOCK", 5 * len(bundle.items))
    assert bundle.recommend_batch(iter(users), 4) == expected
    assert bundle.recommend_batch([]) == []


def test_a_user_who_has_seen_everything_gets_nothing() -> None:
    edge_index = torch.tensor([[0, 0, 0], [0, 1, 2]])
    bundle = Bundle.from_tables(torch.ones(2, 1), torch.ones(3, 1), edge_index)
    assert bundle.recommend(0, 3) == []
    assert [found.item for found in bundle.recommend(1, 2)] == ["0", "1"]


def test_a_cold_user_gets_the_items_with_the_largest_mean_product(bundle: Bundle) -> None:
    liked = [2, 5, 11, 4]
    found = bundle.recommend_for_items([bundle.items.ids[item] for item in liked], 17)
    score = {
        item: sum(float(bundle.item_table[item] @ bundle.item_table[j]) for j in liked) / 4
        for item in set(range(17)) - set(liked)
    }
    expected = sorted(score, key=lambda item: (-score[item], item))
    assert [r.item for r in found] == [bundle.items.ids[item] for item in expected]
    assert [r.score for r in found] == [score[item] for item in expected]
    everything = bundle.recommend_for_items(["B002"], 17, exclude_liked=False)
    assert {r.item for r in everything} == set(bundle.items.ids)


def test_added_items_are_ranked_with_the_others(bundle: Bundle) -> None:
    rows = torch.tensor([[9.0, 0.0, 0.0], [-9.0, 0.0, 0.0]])
    larger = bundle.add_items(rows, ["new-1", "new-2"], ["New one", "New two"])
    assert len(bundle.items) == 17  # unchanged
    for user, name in enumerate(bundle.users.ids):
        exclude = seen_items(bundle, user)
        assert larger.recommend(name, 19) == brute_force(larger, user, 19, exclude)
    found = larger.recommend_for_items(["new-1"], 1, exclude_liked=False)[0]
    assert (found.item, found.name, found.score) == ("new-1", "New one", 81.0)


@pytest.mark.parametrize(
    ("rows", "ids", "names", "message"),
    [
        (torch.ones(1, 4), ["x"], ["X"], "user_table is 3 wide and item_table 4"),
        (torch.ones(2, 3), ["x"], ["X", "Y"], "18 ids for 19 item rows"),
        (torch.ones(1, 3), ["B001"], ["X"], "'B001' comes twice"),
        (torch.ones(1, 3), ["x"], None, "the bundle has names of all items"),
        (torch.ones(1, 3), ["x"], ["X", "Y"], "19 names for 18 item rows"),
        (torch.full((1, 3), torch.nan), ["x"], ["X"], "3 values are NaN or infinite"),
    ],
)
def test_items_that_do_not_fit_are_refused(bundle, rows, ids, names, message) -> None:
    with pytest.raises(ConfigError, match=message):
        bundle.add_items(rows, ids, names)


def test_names_are_refused_where_the_bundle_has_none(make_bundle) -> None:
    with pytest.raises(ConfigError, match="the bundle has no names"):
        make_bundle(names=False).add_items(torch.ones(1, 3), ["x"], ["X"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: b.recommend("user-0"), "did you mean 'user-"),
        (lambda b: b.recommend("user-00", 0), "k: got 0, expected a whole number from 1 to 17"),
        (lambda b: b.recommend("user-00", -3), "k: got -3"),
        (lambda b: b.recommend("user-00", 18), "k: got 18, expected a whole number from 1 to 17"),
        (lambda b: b.recommend("user-00", 2.0), "expected a whole number"),
        (lambda b: b.recommend(None), "expected an id as text"),
        (lambda b: b.recommend_batch("user-00"), "users: .* expected a list"),
        (lambda b: b.recommend_batch(["user-00", "nobody"]), "'nobody' is unknown"),
        (lambda b: b.recommend_for_items([]), "liked_items: the list is empty"),
        (lambda b: b.recommend_for_items("B001"), "liked_items: .* expected a list"),
        (lambda b: b.recommend_for_items(["B001", "B001"]), "an item comes twice"),
        (lambda b: b.recommend_for_items(["B1"]), "item: 'B1' is unknown; did you mean 'B0"),
    ],
)
def test_nonsense_is_refused(bundle: Bundle, call, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call(bundle)


@pytest.mark.parametrize("names", [True, False])
def test_save_and_load_give_the_same_bundle(make_bundle, tmp_path, names: bool) -> None:
    bundle = make_bundle(names)
    again = Bundle.load(bundle.save(tmp_path / "deep" / "bundle"))
    assert torch.equal(again.user_table, bundle.user_table)
    assert torch.equal(again.item_table, bundle.item_table)
    assert all(torch.equal(a, b) for a, b in zip(again.history, bundle.history, strict=True))
    assert (again.users.ids, again.items.ids) == (bundle.users.ids, bundle.items.ids)
    assert again.item_names == bundle.item_names
    assert again.info == dataclasses.replace(bundle.info, library_version=__version__)
    assert again.recommend_batch(again.users.ids) == bundle.recommend_batch(bundle.users.ids)
    assert repr(again) == "Bundle('small', users=12, items=17, interactions=70, width=3)"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ODD_IDS, ODD_IDS, st.lists(st.text(max_size=6), min_size=3, max_size=3))
def test_odd_characters_survive(tmp_path, user_ids, item_ids, names) -> None:
    bundle = Bundle.from_tables(
        torch.eye(3), torch.eye(3), torch.empty(2, 0, dtype=torch.int64),
        user_ids=user_ids, item_ids=item_ids, item_names=names,
    )  # fmt: skip
    again = Bundle.load(bundle.save(tmp_path / "odd", overwrite=True))
    for user, item, name in zip(user_ids, item_ids, names, strict=True):
        assert again.recommend(user, 1) == [Recommendation(item, name, 1.0, 1)]


def test_other_float_types_are_converted() -> None:
    edge_index = torch.empty(2, 0, dtype=torch.int64)
    table = torch.tensor([[0.5, 2.0]], dtype=torch.float64, requires_grad=True)
    bundle = Bundle.from_tables(table, table.detach().half(), edge_index)
    assert bundle.user_table.dtype == bundle.item_table.dtype == torch.float32
    assert bundle.recommend("0", 1) == [Recommendation("0", None, 4.25, 1)]
    assert bundle.info == BundleInfo()


@pytest.mark.parametrize(
    ("user_table", "item_table", "message"),
    [
        (torch.ones(2), torch.ones(3, 2), r"user_table: shape is \(2,\)"),
        (torch.ones(2, 2), torch.ones(0, 2), r"item_table: shape is \(0, 2\)"),
        (torch.ones(2, 2), torch.ones(3, 1), "2 wide and item_table 1"),
        (torch.ones(2, 2).long(), torch.ones(3, 2), "int64, expected a tensor of a float type"),
        ([[1.0]], torch.ones(3, 1), "list, expected a tensor"),
        (torch.tensor([[1.0, torch.inf]]), torch.ones(3, 2), "the first at row 0, column 1"),
        (torch.full((1, 1), 1e30), torch.full((1, 1), 1e30), "scores overflow float32"),
        (torch.ones(1, 1), torch.full((1, 1), 1e30), "scores overflow float32"),
    ],
)
def test_tables_that_cannot_be_scored_are_refused(user_table, item_table, message) -> None:
    with pytest.raises(ConfigError, match=message):
        Bundle.from_tables(user_table, item_table, torch.empty(2, 0, dtype=torch.int64))
