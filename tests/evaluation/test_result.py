import pytest
import torch

from mrdib_graph.evaluation.result import Ranked, from_ranked
from mrdib_graph.metrics import AUC, NDCG, Catalogue, Coverage, Precision, Recall

CATALOGUE = Catalogue(10, torch.ones(12))


def test_from_ranked() -> None:
    positives = torch.tensor([[7, 2, 2, 9], [0, 4, 5, 1]])
    ranks = torch.tensor([1, 3, 0, 0])
    metrics = [Recall(5), Precision(2), Recall(3)]
    result = from_ranked(Ranked(positives, ranks), metrics, CATALOGUE, "val", ("train",), 12)
    assert result.users.tolist() == [2, 7, 9]
    assert result.num_positives.tolist() == [2, 1, 1]
    assert result.per_user["recall@5"].tolist() == [0.5, 1.0, 0.0]
    assert result.per_user["precision@2"].tolist() == [0.0, 0.5, 0.0]
    assert result.mean["recall@3"] == pytest.approx(0.5)
    assert (result.split, result.masked, result.num_candidates) == ("val", ("train",), 12)
    assert result.of_set == {} and result.values == result.mean


def test_values_of_all_users_stand_apart() -> None:
    positives = torch.tensor([[7, 2, 2], [0, 4, 5]])
    lists = torch.tensor([[4, 1], [0, 1]])  # of users 2 and 7
    ranked = Ranked(
        positives, torch.tensor([1, 1, 0]), lists, torch.tensor([1.0, 0.9, 0.5]).double()
    )
    result = from_ranked(ranked, [Coverage(2), AUC()], CATALOGUE, "val", ("train",), 12)
    assert result.of_set == {"coverage@2": 3 / 12}
    assert list(result.per_user) == list(result.mean) == ["auc"]
    assert result.per_user["auc"].tolist() == pytest.approx([0.7, 1.0])
    assert list(result.values) == ["auc", "coverage@2"]
    assert repr(result) == "MetricResult(val, 2 users: auc 0.8500, coverage@2 0.2500)"
    assert "<td>auc</td><td>0.8500</td><td></td>" in result._repr_html_()


def test_a_result_is_shown_in_short() -> None:
    metrics = [Recall(5), Recall(20), NDCG(20)]
    ranked = Ranked(torch.tensor([[0], [1]]), torch.tensor([1]))
    result = from_ranked(ranked, metrics, CATALOGUE, "val", ("train",), 9)
    assert repr(result) == "MetricResult(val, 1 users: recall@20 1.0000, ndcg@20 1.0000)"
    page = result._repr_html_()
    assert "<th>@5</th><th>@20</th>" in page
    assert "<td>ndcg</td><td></td><td>1.0000</td>" in page
