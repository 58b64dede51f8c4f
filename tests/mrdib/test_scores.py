import torch

from mrdib_graph.losses import PairScores
from mrdib_graph.mrdib import Scores
from mrdib_graph.mrdib.scores import on_top_of


def test_tensors_are_added_and_other_scores_stand_beside():
    a, b = torch.tensor([1.0], requires_grad=True), torch.tensor([2.0], requires_grad=True)
    both = on_top_of(a, [b, b])
    both.backward()
    assert both.item() == 5 and a.grad.item() == 1 and b.grad is None
    pairs = PairScores(a.detach(), b.detach().unsqueeze(0))
    assert on_top_of(pairs, [pairs]).positive.item() == 2
    assert on_top_of(pairs, []) == pairs


def test_scores_start_empty():
    assert Scores() == (None, {}, {})
