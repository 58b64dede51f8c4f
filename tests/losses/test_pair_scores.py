import math

import pytest
import torch

from mrdib_graph.losses import BPRLoss, PairRows, Pairs, PairScores
from mrdib_graph.typing import LogQ, Triplets


def test_items_of_a_batch_are_split_row_by_row():
    positive, negative = Pairs(3, (3, 3)).split(torch.arange(12))
    assert positive.tolist() == [0, 1, 2]
    assert negative.tolist() == [[3, 4, 5], [6, 7, 8], [9, 10, 11]]
    rows, others = Pairs(3, (3, 3)).split(torch.arange(24).view(12, 2))
    assert rows.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert others.shape == (3, 3, 2) and others[1, 0].tolist() == [12, 13]
    assert Pairs(3, (2,)).split(torch.arange(5))[1].tolist() == [3, 4]


def test_inner_products_by_hand():
    user = torch.tensor([[1.0, 2.0], [0.0, -1.0]])
    item = torch.tensor([[1.0, 1.0], [2.0, 3.0], [1.0, 0.0], [0.0, 1.0], [5.0, 2.0], [4.0, -3.0]])
    own = Pairs(2, (2, 2)).scores(user, item)  # two negatives a user
    assert own.positive.tolist() == [3, -3]
    assert own.negative.tolist() == [[1, 2], [-2, 3]]
    pool = Pairs(2, (3,)).scores(user, item[:5])  # three that both share
    assert pool.positive.tolist() == [3, -3]
    assert pool.negative.tolist() == [[1, 2, 9], [0, -1, -2]]
    assert isinstance(pool.rows, PairRows) and pool.rows.negative.shape == (3, 2)


def test_cosines_do_not_depend_on_length():
    user, item = torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0], [0.0, 2.0], [0.0, 0.0]])
    scores = Pairs(1, (2,), cosine=True).scores(user, item)
    assert scores.positive.item() == pytest.approx(0.96)
    assert scores.negative.tolist() == [[pytest.approx(0.8), 0.0]]


def test_rows_that_lack_an_item_count_as_zero_in_the_loss():
    positive = torch.tensor([1.0, 2.0, 0.5], requires_grad=True)
    negative = torch.tensor([[0.0, 1.0], [3.0, -1.0], [0.0, 0.0]])
    valid = torch.tensor([[True, True], [False, False], [True, False]])
    loss = BPRLoss()(PairScores(positive, negative, valid))
    nll = [math.log(1 + math.exp(-x)) for x in (1.0, 0.0, 0.5)]
    assert loss.item() == pytest.approx(((nll[0] + nll[1]) / 2 + nll[2]) / 3, rel=1e-6)
    loss.backward()
    assert positive.grad[1] == 0 and positive.grad[[0, 2]].all()
    alone = torch.autograd.grad(BPRLoss()(PairScores(positive, negative)), positive)[0]
    torch.testing.assert_close(positive.grad[[0, 2]], alone[[0, 2]])  # as if none were lacking
    nothing = BPRLoss()(PairScores(positive, negative, torch.zeros(3, 2, dtype=torch.bool)))
    assert nothing == 0 and nothing.requires_grad


def test_an_item_without_what_is_scored_enters_no_pair():
    user, item = torch.ones(2, 1), torch.arange(5.0).unsqueeze(1)
    has = torch.tensor([True, False, True, False, True])
    valid = torch.tensor([[True, True, False], [True, True, True]])
    scores = Pairs(2, (3,), valid=valid).scores(user, item, has)
    assert scores.valid.tolist() == [[True, False, False], [False, False, False]]
    assert scores.present.tolist() == [True, False]
    assert scores.mean_positive(torch.tensor([4.0, 9.0])).item() == 2


def test_scores_on_top_of_others_move_alone():
    valid, present = torch.tensor([[True], [False]]), torch.tensor([True, False])
    mine = PairScores(
        torch.tensor([1.0, 2.0], requires_grad=True),
        torch.tensor([[0.5], [1.0]]),
        valid,
        present=present,
    )
    other = PairScores(torch.tensor([3.0, -1.0], requires_grad=True), torch.tensor([[1.0], [2.0]]))
    both = mine.beside([other, other])
    assert both.positive.tolist() == [7, 0] and both.negative.tolist() == [[2.5], [5]]
    assert both.valid is valid and both.present is present and both.rows is None
    both.positive.sum().backward()
    assert mine.positive.grad.tolist() == [1, 1] and other.positive.grad is None


def test_hardest_are_the_best_scored_that_count():
    valid = torch.tensor([[True, True, False, True], [False, False, False, True]])
    negative = torch.tensor([[1.0, 3.0, 9.0, 2.0], [5.0, 6.0, 7.0, -1.0]], requires_grad=True)
    scores = PairScores(torch.zeros(2), negative, valid, num_hardest=2).hardest()
    assert scores.negative[0].tolist() == [3, 2] and scores.valid[0].all()
    assert scores.negative[1, 0] == -1 and scores.valid[1].tolist() == [True, False]
    loss = BPRLoss()(scores)
    expected = (math.log1p(math.e**3) + math.log1p(math.e**2)) / 2 + math.log1p(math.e**-1)
    assert loss.item() == pytest.approx(expected / 2, rel=1e-6)
    whole = PairScores(torch.zeros(2), negative)
    assert whole.hardest() is whole


def test_pairs_are_those_of_the_batch():
    ids, pool = torch.arange(3), torch.arange(2)
    log_q, valid = LogQ(torch.zeros(3), torch.zeros(2)), torch.ones(3, 2, dtype=torch.bool)
    pairs = Pairs.of(Triplets(ids, ids, pool, valid, log_q, 1), cosine=True)
    assert pairs == Pairs(3, (2,), True, valid, log_q, 1)
    assert pairs.regularised(torch.arange(5)).tolist() == [0, 1, 2], "a pool recurs in every step"
    assert Pairs(2, (2, 1)).regularised(torch.arange(4)).tolist() == [0, 1, 2, 3]
