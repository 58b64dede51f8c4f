import pytest
import torch

from mrdib_graph.evaluation.share_below import share_below

LOW = -torch.inf
PLACE, ITEM, RANKED = torch.tensor([0, 0, 1]), torch.tensor([0, 3, 2]), torch.tensor([5, 4])


@pytest.mark.parametrize("block", [1, 5, 10, 2**22])
def test_by_hand(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """User 0: above 2 of 3 others and equal to one; below all. User 1, item 4 masked: 1 of 3."""
    monkeypatch.setattr("mrdib_graph.evaluation.share_below._CACHED", block)
    scores = torch.tensor([[3.0, 3.0, 2.0, 0.0, 1.0], [4.0, LOW, 1.0, 2.0, LOW]])
    found = share_below(scores, PLACE, ITEM, RANKED)
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx([2.5 / 3, 0.0, 1 / 3])


def test_minus_infinity_ties_with_candidates_and_not_with_masked_items() -> None:
    """User 0 has one candidate as low as the held-out item 0, and no masked one; user 1 a mask."""
    scores = torch.tensor([[LOW, LOW, 1.0, 2.0], [LOW, LOW, 1.0, LOW]])
    place, item, ranked = torch.tensor([0, 1]), torch.tensor([0, 0]), torch.tensor([4, 3])
    assert share_below(scores, place, item, ranked).tolist() == pytest.approx([0.5 / 3, 0.5 / 2])


def test_nobody_to_compare_with_is_chance() -> None:
    scores, one = torch.tensor([[1.0, LOW]]), torch.tensor([0])
    assert share_below(scores, one, one, torch.tensor([1])).tolist() == [0.5]
