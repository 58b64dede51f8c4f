import pytest
import torch

from mrdib_graph.evaluation.result import from_ranks


def test_from_ranks() -> None:
    positives = torch.tensor([[7, 2, 2, 9], [0, 4, 5, 1]])
    ranks = torch.tensor([1, 3, 0, 0])
    result = from_ranks(
        positives, ranks, ["recall@5", "precision@2", "recall@3"], "val", ("train",), 12
    )
    assert result.users.tolist() == [2, 7, 9]
    assert result.num_positives.tolist() == [2, 1, 1]
    assert result.per_user["recall@5"].tolist() == [0.5, 1.0, 0.0]
    assert result.per_user["precision@2"].tolist() == [0.0, 0.5, 0.0]
    assert result.mean["recall@3"] == pytest.approx(0.5)
    assert (result.split, result.masked, result.num_candidates) == ("val", ("train",), 12)


def test_a_result_is_shown_in_short() -> None:
    names = ["recall@5", "recall@20", "ndcg@20"]
    result = from_ranks(torch.tensor([[0], [1]]), torch.tensor([1]), names, "val", ("train",), 9)
    assert repr(result) == "MetricResult(val, 1 users: recall@20 1.0000, ndcg@20 1.0000)"
    page = result._repr_html_()
    assert "<th>@5</th><th>@20</th>" in page
    assert "<td>ndcg</td><td></td><td>1.0000</td>" in page
