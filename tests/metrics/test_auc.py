import pytest
import torch
from sklearn.metrics import roc_auc_score

from mrdib_graph import graph
from mrdib_graph.evaluation import Evaluator, EvaluatorConfig, slice_metrics
from mrdib_graph.metrics import AUC
from mrdib_graph.testing import tiny_data

SMALL = EvaluatorConfig((5,), ("auc",))


def pairs(data, split):
    held = torch.zeros(30, 40, dtype=torch.bool)
    held[tuple(graph.interactions(data, split))] = True
    return held


@pytest.fixture
def data():
    """As many held-out items as training items of a user."""
    data = tiny_data()
    store = data[graph.INTERACTS]
    place = torch.arange(store.edge_index.size(1)) % 4
    store.train_mask, store.val_mask, store.test_mask = place < 2, place == 2, place == 3
    return data


def scores_of(levels):
    return torch.randint(0, levels, (30, 40), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("levels", [1, 3, 10_000])
@pytest.mark.parametrize("mask_validation", [False, True])
@pytest.mark.parametrize("some", [False, True])
def test_equals_scikit_learn(data, levels, mask_validation, some):
    scores = scores_of(levels).float()
    scores[:, 7:10] = -torch.inf  # the lowest candidates, not masked ones
    config = EvaluatorConfig((5,), ("auc",), mask_validation=mask_validation)
    among = torch.arange(40) % 3 > 0 if some else torch.ones(40, dtype=torch.bool)
    evaluator = Evaluator(data, config)
    result = evaluator.evaluate_scores(
        lambda users: scores[users], candidates=among if some else None
    )
    masked = pairs(data, "train") | (pairs(data, "val") & mask_validation)
    test, finite = pairs(data, "test"), scores.clamp(min=-1)
    assert len(result.users) > 10
    for user, value in zip(result.users, result.per_user["auc"], strict=True):
        left = among & ~masked[user]
        expected = roc_auc_score(test[user, left], finite[user, left])
        assert value.item() == pytest.approx(expected, abs=1e-12)


def test_a_slice_of_items_keeps_the_other_candidates(data):
    """Held-out items outside the slice are left out, and count among no user's others."""
    scores = scores_of(10_000)
    result = Evaluator(data, SMALL).evaluate_scores(lambda users: scores[users])
    even = torch.arange(40) % 2 == 0
    found = slice_metrics(result, items=even)
    train, test = pairs(data, "train"), pairs(data, "test")
    assert 0 < len(found.users) < len(result.users)
    for user, value in zip(found.users, found.per_user["auc"], strict=True):
        left = ~train[user] & (even | ~test[user])
        assert value.item() == pytest.approx(roc_auc_score(test[user, left], scores[user, left]))


def test_a_user_without_other_candidates_is_chance(data):
    among = torch.zeros(40, dtype=torch.bool)
    among[graph.interactions(data, "test")[1, 0]] = True
    result = Evaluator(data, SMALL).evaluate_scores(
        lambda users: scores_of(9)[users], candidates=among
    )
    user = result.users == graph.interactions(data, "test")[0, 0]
    assert result.per_user["auc"][user].tolist() == [0.5]
    assert AUC().name == "auc"


def test_the_scores_are_not_changed(data):
    scores = scores_of(9).float()
    Evaluator(data, SMALL).evaluate_scores(lambda users: scores[users])
    assert torch.equal(scores, scores_of(9).float())
