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
