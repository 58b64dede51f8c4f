import math

import pytest
import torch

from mrdib_graph.losses import BPRLoss, PairScores, inner_scores, split_items


def test_items_of_a_batch_are_split_row_by_row():
    positive, negative = split_items(torch.arange(12), 3)
    assert positive.tolist() == [0, 1, 2]
    assert negative.tolist() == [[3, 4, 5], [6, 7, 8], [9, 10, 11]]
    rows, others = split_items(torch.arange(24).view(12, 2), 3)
    assert rows.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert others.shape == (3, 3, 2) and others[1, 0].tolist() == [12, 13]


def test_inner_products_by_hand():
    user = torch.tensor([[1.0, 2.0], [0.0, -1.0]])
    item = torch.tensor([[1.0, 1.0], [2.0, 3.0], [1.0, 0.0], [0.0, 1.0], [5.0, 2.0], [4.0, -3.0]])
    scores = inner_scores(user, item)  # two negatives a user
    assert scores.positive.tolist() == [3, -3]
    assert scores.negative.tolist() == [[1, 2], [-2, 3]]


def test_rows_that_lack_an_item_count_as_zero_in_the_loss():
    positive = torch.tensor([1.0, 2.0, 0.5], requires_grad=True)
    negative = torch.tensor([[0.0, 1.0], [3.0, -1.0], [0.0, 0.0]])
    present = torch.tensor([[True, True], [True, False], [True, True]])
    loss = PairScores(positive, negative, present).loss(BPRLoss())
    differences = (1.0, 0.0, 0.5, 0.5)
    expected = sum(math.log(1 + math.exp(-x)) for x in differences) / 6  # of three rows by two
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    loss.backward()
    assert positive.grad[1] == 0 and positive.grad[[0, 2]].all()
    assert PairScores(positive, negative).loss(BPRLoss()) > loss
    alone = torch.autograd.grad(PairScores(positive, negative).loss(BPRLoss()), positive)[0]
    torch.testing.assert_close(positive.grad[[0, 2]], alone[[0, 2]])  # as if none were lacking
    nothing = PairScores(positive, negative, torch.zeros(3, 2, dtype=torch.bool)).loss(BPRLoss())
    assert nothing == 0 and nothing.requires_grad


def test_scores_on_top_of_others_move_alone():
    mine = PairScores(torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([[0.5], [1.0]]))
    other = PairScores(torch.tensor([3.0, -1.0], requires_grad=True), torch.tensor([[1.0], [2.0]]))
    both = mine._replace(present=torch.tensor([[True], [False]])).beside([other, other])
    assert both.positive.tolist() == [7, 0] and both.negative.tolist() == [[2.5], [5]]
    assert both.present is not None and both.present.tolist() == [[True], [False]]
    both.positive.sum().backward()
    assert mine.positive.grad.tolist() == [1, 1] and other.positive.grad is None
