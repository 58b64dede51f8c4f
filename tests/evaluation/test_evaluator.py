import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError, DataError, TrainingError
from mrdib_graph.evaluation import Evaluator, EvaluatorConfig

GraphOf = Callable[..., HeteroData]
FIXTURE = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
POPULARITY = {  # training counts on lastfm2k, test: recall, ndcg, precision, map
    5: (0.030230, 0.032568, 0.027664, 0.017117),
    10: (0.077332, 0.057092, 0.034715, 0.024969),
    20: (0.122865, 0.075511, 0.027637, 0.029855),
    50: (0.237388, 0.111008, 0.020721, 0.035775),
}


def pairs(data: HeteroData, split: Any) -> set[tuple[int, int]]:
    return set(map(tuple, graph.interactions(data, split).t().tolist()))


def slow_recall(
    data: HeteroData, scores: Tensor, split: str, k: int, among: set[int] | None = None
) -> dict[int, float]:
    """Recall of each user, from sorted lists and sets; ``among`` says what is ranked."""
    among = set(range(graph.num_items(data))) if among is None else among
    train = pairs(data, "train")
    held = {(u, i) for u, i in pairs(data, split) if i in among}
    values = {}
    for user in range(graph.num_users(data)):
        positives = {i for u, i in held if u == user}
        if not positives or not any(u == user for u, _ in train):
            continue
        candidates = [i for i in sorted(among) if (user, i) not in train]
        ranked = sorted(candidates, key=lambda i, u=user: (-float(scores[u, i]), i))
        values[user] = len(positives & set(ranked[:k])) / len(positives)
    return values


def counts(data: HeteroData) -> Tensor:
    return torch.bincount(graph.interactions(data, "train")[1], minlength=graph.num_items(data))


@pytest.mark.shared
def test_popularity_on_lastfm2k(lastfm2k: HeteroData) -> None:
    score = counts(lastfm2k)
    evaluator = Evaluator(lastfm2k)
    result = evaluator.evaluate_scores(lambda users: score.expand(users.numel(), -1))
    assert result.users.numel() == 1858
    for k, row in POPULARITY.items():
        for metric, expected in zip(("recall", "ndcg", "precision", "map"), row, strict=True):
            assert result.mean[f"{metric}@{k}"] == pytest.approx(expected, abs=6e-7)
    val = evaluator.evaluate_scores(lambda users: score.expand(users.numel(), -1), "val").mean
    assert val["recall@20"] == pytest.approx(0.131511, abs=6e-7)
    assert val["ndcg@20"] == pytest.approx(0.065962, abs=6e-7)
    assert val["precision@20"] == pytest.approx(0.020247, abs=6e-7)
    assert val["map@20"] == pytest.approx(0.026101, abs=6e-7)


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("levels", [2, 10_000])
def test_equals_a_slow_loop(random_graph: GraphOf, split: str, levels: int) -> None:
    """With few score levels nearly everything is a tie."""
    data = random_graph(3)
    generator = torch.Generator().manual_seed(4)
    scores = torch.randint(0, levels, (20, 30), generator=generator)
    config = EvaluatorConfig(cutoffs=(3, 8), metrics=("recall",), batch_size=6)
    result = Evaluator(data, config).evaluate_scores(lambda users: scores[users], split)
    for k in (3, 8):
        values = slow_recall(data, scores, split, k)
        assert result.users.tolist() == list(values)
        assert result.per_user[f"recall@{k}"].tolist() == pytest.approx(list(values.values()))
        assert result.mean[f"recall@{k}"] == pytest.approx(sum(values.values()) / len(values))


@pytest.mark.parametrize("levels", [2, 10_000])
@pytest.mark.parametrize("size", [1, 5, 12, 30])
def test_candidates_equal_a_slow_loop(random_graph: GraphOf, levels: int, size: int) -> None:
    """Fewer candidates than places are among the cases, and positives that are none."""
    data = random_graph(7)
    generator = torch.Generator().manual_seed(8)
    scores = torch.randint(0, levels, (20, 30), generator=generator)
    chosen = torch.randperm(30, generator=generator)[:size]
    mask = torch.zeros(30, dtype=torch.bool)
    mask[chosen] = True
    config = EvaluatorConfig(cutoffs=(2, 8), metrics=("recall", "ndcg"), batch_size=6)
    evaluator = Evaluator(data, config)
    result = evaluator.evaluate_scores(lambda users: scores[users], candidates=mask)
    for k in (2, 8):
        values = slow_recall(data, scores, "test", k, set(chosen.tolist()))
        assert result.users.tolist() == list(values)
        assert result.per_user[f"recall@{k}"].tolist() == pytest.approx(list(values.values()))
    assert result.num_candidates == size
    assert bool(mask[result.positives[1]].all())
    some = torch.tensor([result.users[0], 19])
    alone = evaluator.evaluate_scores(lambda users: scores[users], "test", some, mask)
    assert alone.users.tolist() == [u for u in result.users.tolist() if u in some]


def test_all_items_as_candidates_change_nothing(random_graph: GraphOf) -> None:
    evaluator = Evaluator(random_graph(5))
    generator = torch.Generator().manual_seed(6)
    user, item = torch.randn(20, 8, generator=generator), torch.randn(30, 8, generator=generator)
    everything = torch.ones(30, dtype=torch.bool)
    plain, among = evaluator(user, item), evaluator(user, item, candidates=everything)
    assert plain.mean == among.mean and torch.equal(plain.ranks, among.ranks)
    assert plain.num_candidates == among.num_candidates == 30


def test_candidates_keep_the_masks(graph_of: GraphOf) -> None:
    """Item 0 is best and trained, item 1 best otherwise and no candidate: item 2 has rank 1."""
    edges, label = torch.tensor([[0, 0, 0], [0, 1, 2]]), torch.tensor([0, 2, 2])
    evaluator = Evaluator(graph_of(edges, label, 1, 4))
    mask = torch.tensor([True, False, True, True])
    result = evaluator.evaluate_scores(
        lambda _: torch.tensor([[4.0, 3.0, 2.0, 1.0]]), candidates=mask
    )
    assert (result.positives.tolist(), result.ranks.tolist()) == ([[0], [2]], [1])


def test_refuses_candidates(graph_of: GraphOf) -> None:
    edges, label = torch.tensor([[0, 0], [0, 1]]), torch.tensor([0, 2])
    evaluator = Evaluator(graph_of(edges, label, 1, 3))
    tables = torch.ones(1, 2), torch.ones(3, 2)
    for wrong in (torch.ones(3), torch.ones(2, dtype=torch.bool), torch.tensor([0, 1])):
        with pytest.raises(ConfigError, match=r"candidates: got .* expected a bool mask \(3,\)"):
            evaluator(*tables, candidates=wrong)
    for mask in ([False, False, True], [False, False, False]):
        with pytest.raises(DataError, match="among the candidates"):
            evaluator(*tables, candidates=torch.tensor(mask))


def test_tables_equal_their_scores(random_graph: GraphOf) -> None:
    evaluator = Evaluator(random_graph(5))
    generator = torch.Generator().manual_seed(6)
    user, item = torch.randn(20, 8, generator=generator), torch.randn(30, 8, generator=generator)
    by_table = evaluator(user, item)
    by_scores = evaluator.evaluate_scores(lambda ids: user[ids] @ item.t())
    assert by_table.mean == by_scores.mean
    assert torch.equal(by_table.ranks, by_scores.ranks)
    assert torch.equal(by_table.positives, by_scores.positives)


def test_ties_rank_by_item_id(graph_of: GraphOf) -> None:
    """Constant scores: item 0 is masked, so item i has rank i."""
    edges, label = torch.tensor([[0, 0, 0, 0], [0, 1, 60, 3]]), torch.tensor([0, 2, 2, 2])
    evaluator = Evaluator(graph_of(edges, label, 1, 100))
    result = evaluator.evaluate_scores(lambda users: torch.ones(users.numel(), 100))
    assert result.positives[1].tolist() == [1, 3, 60]
    assert result.ranks.tolist() == [1, 3, 0]
    items, _ = evaluator.top_items(lambda _: torch.ones(1, 100), torch.tensor([0]), 99)
    assert items.tolist() == [list(range(1, 100))]


def test_validation_positives_keep_their_ranks_unless_masked(graph_of: GraphOf) -> None:
    edges, label = torch.tensor([[0, 0, 0], [0, 1, 2]]), torch.tensor([0, 1, 2])
    data = graph_of(edges, label, 1, 4)
    descending = torch.tensor([[4.0, 3.0, 2.0, 1.0]])
    plain = Evaluator(data, EvaluatorConfig(cutoffs=(1, 2)))
    result = plain.evaluate_scores(lambda _: descending)
    assert (result.ranks.tolist(), result.masked) == ([2], ("train",))
    masking = Evaluator(data, EvaluatorConfig(cutoffs=(1, 2), mask_validation=True))
    result = masking.evaluate_scores(lambda _: descending)
    assert (result.ranks.tolist(), result.masked) == ([1], ("train", "val"))
    result = masking.evaluate_scores(lambda _: descending, "val")
    assert (result.ranks.tolist(), result.masked) == ([1], ("train",))


def test_users_without_training_rows_are_left_out_with_a_warning(graph_of: GraphOf) -> None:
    edges, label = torch.tensor([[0, 0, 1, 2], [0, 1, 2, 1]]), torch.tensor([0, 2, 2, 0])
    with pytest.warns(UserWarning, match="1 users with rows in the test split"):
        evaluator = Evaluator(graph_of(edges, label, 3, 3))
    assert evaluator(torch.ones(3, 1), torch.ones(3, 1)).users.tolist() == [0]
    with pytest.raises(DataError, match="val split"):
        evaluator(torch.ones(3, 1), torch.ones(3, 1), "val")


def test_items_without_training_rows_are_candidates(graph_of: GraphOf) -> None:
    edges, label = torch.tensor([[0, 0], [0, 3]]), torch.tensor([0, 2])
    evaluator = Evaluator(graph_of(edges, label, 1, 5), EvaluatorConfig(cutoffs=(1,)))
    result = evaluator.evaluate_scores(lambda _: torch.tensor([[9.0, 0, 0, 1, 0]]))
    assert result.mean["recall@1"] == 1.0


def test_a_cutoff_above_the_number_of_items(graph_of: GraphOf) -> None:
    edges, label = torch.tensor([[0, 0], [0, 2]]), torch.tensor([0, 2])
    evaluator = Evaluator(graph_of(edges, label, 1, 3), EvaluatorConfig(cutoffs=(50,)))
    mean = evaluator.evaluate_scores(lambda _: torch.zeros(1, 3)).mean
    assert (mean["recall@50"], mean["precision@50"]) == (1.0, pytest.approx(1 / 50))


def test_minus_infinity_is_never_a_hit(graph_of: GraphOf) -> None:
    edges, label = torch.tensor([[0, 0], [0, 2]]), torch.tensor([0, 2])
    evaluator = Evaluator(graph_of(edges, label, 1, 3))
    scores = torch.tensor([[1.0, 0.0, -torch.inf]])
    assert evaluator.evaluate_scores(lambda _: scores).mean["recall@50"] == 0.0
    items, values = evaluator.top_items(lambda _: scores, torch.tensor([0]), 2)
    assert (items.tolist(), values.tolist()) == ([[1, -1]], [[0.0, -torch.inf]])


def test_chosen_users(random_graph: GraphOf) -> None:
    evaluator = Evaluator(random_graph(8))
    generator = torch.Generator().manual_seed(9)
    user, item = torch.randn(20, 4, generator=generator), torch.randn(30, 4, generator=generator)
    everybody = evaluator(user, item)
    chosen = everybody.users[[4, 1, 7]]
    result = evaluator(user, item, user_ids=chosen)
    place = torch.searchsorted(everybody.users, result.users)
    assert torch.equal(result.users, chosen.sort().values)
    assert torch.equal(result.per_user["ndcg@5"], everybody.per_user["ndcg@5"][place])


@FIXTURE
@given(seed=st.integers(0, 10_000), k=st.integers(1, 30))
def test_masked_items_are_never_recommended(random_graph: GraphOf, seed: int, k: int) -> None:
    data = random_graph(seed, share=0.9)
    scores = torch.randint(0, 5, (20, 30), generator=torch.Generator().manual_seed(seed))
    exclude = ("train", "val")
    users = torch.randperm(20, generator=torch.Generator().manual_seed(seed))
    items, values = Evaluator(data).top_items(lambda ids: scores[ids], users, k, exclude)
    seen = pairs(data, "train") | pairs(data, "val")
    for user, row, value in zip(users.tolist(), items.tolist(), values.tolist(), strict=True):
        found = [i for i in row if i >= 0]
        candidates = [i for i in range(30) if (user, i) not in seen]
        assert found == sorted(candidates, key=lambda i: (-int(scores[user, i]), i))[:k]  # noqa: B023
        assert value[: len(found)] == [float(scores[user, i]) for i in found]
        assert row[len(found) :] == [-1] * (k - len(found))


@FIXTURE
@given(seed=st.integers(0, 10_000))
def test_renaming_items_changes_nothing(random_graph: GraphOf, seed: int) -> None:
    """Scores without ties, items and scores permuted alike: the same value for every user."""
    data = random_graph(seed)
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(20, 30, dtype=torch.float64, generator=generator)
    new_id = torch.randperm(30, generator=generator)
    renamed = data.clone()
    store = renamed["user", "interacts", "item"]
    store.edge_index = torch.stack([store.edge_index[0], new_id[store.edge_index[1]]])
    permuted = torch.empty_like(scores)
    permuted[:, new_id] = scores
    before = Evaluator(data).evaluate_scores(lambda ids: scores[ids])
    after = Evaluator(renamed).evaluate_scores(lambda ids: permuted[ids])
    for name, values in before.per_user.items():
        assert bool(((values >= 0) & (values <= 1 + 1e-12)).all())
        torch.testing.assert_close(values, after.per_user[name])


def test_neither_scores_nor_tables_are_changed(random_graph: GraphOf) -> None:
    evaluator = Evaluator(random_graph(2))
    scores, user, item = torch.zeros(20, 30), torch.ones(20, 3), torch.ones(30, 3)
    evaluator.evaluate_scores(lambda ids: scores[: ids.numel()])
    evaluator(user.requires_grad_(), item.requires_grad_())
    assert torch.equal(scores, torch.zeros(20, 30))
    assert bool((user == 1).all() and (item == 1).all())


def test_refuses_scores_that_are_not_numbers(random_graph: GraphOf) -> None:
    evaluator = Evaluator(random_graph(2))
    scores = torch.full((20, 30), float("nan"))
    with pytest.raises(TrainingError, match="NaN"):
        evaluator.evaluate_scores(lambda ids: scores[ids])
    with pytest.raises(TrainingError, match="user table"):
        evaluator(scores[:, :4], torch.ones(30, 4))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"cutoffs": ()}, "cutoffs"),
        ({"cutoffs": (5, 0)}, "cutoffs"),
        ({"cutoffs": (True,)}, "cutoffs"),
        ({"metrics": ()}, "metrics"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 2.5}, "batch_size"),
    ],
)
def test_config_refuses(options: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: got"):
        EvaluatorConfig(**options)


def test_config_refuses_an_unknown_metric() -> None:
    with pytest.raises(ConfigError, match="metrics: 'recal' is unknown; did you mean 'recall'"):
        EvaluatorConfig(metrics=("recal",))


def test_calls_refuse(random_graph: GraphOf) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluator = Evaluator(random_graph(2))
    user, item, ids = torch.ones(20, 3), torch.ones(30, 3), torch.tensor([0])
    with pytest.raises(ConfigError, match="split: got 'train'"):
        evaluator(user, item, "train")
    with pytest.raises(ConfigError, match="users: got rows 20"):
        evaluator(user, item, user_ids=torch.tensor([20]))
    with pytest.raises(DataError, match="none of the users"):
        evaluator(user, item, user_ids=ids[:0])
    for k in (0, 31, 2.0):
        with pytest.raises(ConfigError, match="k: got"):
            evaluator.top_items((user, item), ids, k)
    with pytest.raises(ConfigError, match="exclude: got"):
        evaluator.top_items((user, item), ids, 3, ("seen",))
    assert evaluator.top_items((user, item), ids[:0], 3)[0].shape == (0, 3)


def test_it_says_what_it_ranks(random_graph: GraphOf) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = Evaluator(random_graph(2), EvaluatorConfig((5, 20), ("recall",)))
    assert re.fullmatch(
        r"Evaluator\(30 items, users: \d+ in val, \d+ in test; recall at 5, 20\)", repr(evaluator)
    )
