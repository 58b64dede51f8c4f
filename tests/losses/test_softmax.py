"""Softmax losses against torch's cross-entropy on full tables, and a loop over the formula."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.losses import FullSoftmaxLoss, Pairs, PairScores, SoftmaxLoss, contrastive
from mrdib_graph.typing import LogQ

USERS, ITEMS, WIDTH = 6, 40, 5


@pytest.fixture
def tables() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    user = torch.randn(USERS, WIDTH, generator=generator, dtype=torch.float64)
    item = torch.randn(ITEMS, WIDTH, generator=generator, dtype=torch.float64)
    return user, item, torch.randint(ITEMS, (USERS,), generator=generator)


@pytest.mark.parametrize("temperature", [1.0, 0.3])
@pytest.mark.parametrize("cosine", [False, True])
@pytest.mark.parametrize("block", [2**20, 16])
def test_full_softmax_is_cross_entropy_of_the_full_table(
    tables, temperature, cosine, block, monkeypatch
):
    monkeypatch.setattr(contrastive, "_BLOCK_VALUES", block)
    monkeypatch.setattr(contrastive, "_BLOCK_ROWS", 4)
    user, item, observed = tables
    user.requires_grad_()
    item.requires_grad_()
    loss = FullSoftmaxLoss(temperature, cosine)
    pairs = Pairs(USERS, (ITEMS,), loss.cosine)
    value = loss(pairs.scores(user, torch.cat([item[observed], item])))
    u, i = (F.normalize(x, dim=1) if cosine else x for x in (user, item))
    expected = F.cross_entropy(u @ i.T / temperature, observed)
    torch.testing.assert_close(value, expected)
    for mine, oracle in zip(
        torch.autograd.grad(value, [user, item]),
        torch.autograd.grad(expected, [user, item]),
        strict=True,
    ):
        torch.testing.assert_close(mine, oracle)


def test_sampled_softmax_is_cross_entropy_where_all_other_items_are_the_pool(tables):
    """The exact softmax from the sampled one: a pool of every item, the observed one masked."""
    user, item, observed = tables
    valid = torch.arange(ITEMS) != observed.unsqueeze(1)
    scores = Pairs(USERS, (ITEMS,), valid=valid).scores(user, torch.cat([item[observed], item]))
    expected = F.cross_entropy(user @ item.T, observed)
    torch.testing.assert_close(SoftmaxLoss()(scores), expected)


def by_hand(positive, negative, valid, q_positive, q_negative, temperature):
    total = 0.0
    for b, own in enumerate(positive):
        top = math.exp(own / temperature) / q_positive[b]
        others = [
            math.exp(x / temperature) / q_negative[j]
            for j, x in enumerate(negative[b])
            if valid[b][j]
        ]
        total -= math.log(top / (top + sum(others)))
    return total / len(positive)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
@pytest.mark.parametrize("correction", [True, False])
def test_sampled_softmax_by_hand(temperature, correction):
    generator = torch.Generator().manual_seed(2)
    user = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    item = torch.randn(3 + 5, 4, generator=generator, dtype=torch.float64)
    valid = torch.rand(3, 5, generator=generator) < 0.6
    q = torch.rand(8, generator=generator, dtype=torch.float64)
    log_q = LogQ(q[:3].log(), q[3:].log())
    scores = Pairs(3, (5,), valid=valid, log_q=log_q).scores(user, item)
    loss = SoftmaxLoss(temperature, correction=correction)
    if not correction:
        q = torch.ones(8)
    rows = (scores.positive, scores.negative, valid, q[:3], q[3:])
    expected = by_hand(*(x.tolist() for x in rows), temperature)
    assert loss(scores).item() == pytest.approx(expected)
    dense = PairScores(scores.positive, scores.negative, valid, log_q)
    assert loss(dense).item() == pytest.approx(expected), "the way without rows"


def test_gradient_of_a_pool():
    generator = torch.Generator().manual_seed(4)
    valid = torch.rand(3, 5, generator=generator) < 0.6
    valid[1] = False  # a user who has the whole pool
    log_q = LogQ(torch.zeros(3).double(), torch.rand(5, generator=generator).double().log())

    def loss(user: Tensor, item: Tensor) -> Tensor:
        return SoftmaxLoss(0.7)(Pairs(3, (5,), valid=valid, log_q=log_q).scores(user, item))

    rows = [torch.randn(n, 4, generator=generator, dtype=torch.float64) for n in (3, 8)]
    assert torch.autograd.gradcheck(loss, [x.requires_grad_() for x in rows])
    [of_user] = torch.autograd.grad(loss(*rows), rows[0])
    assert not of_user[1].any() and of_user[[0, 2]].any(1).all()


def test_negatives_of_their_own_by_hand():
    positive, negative = torch.tensor([1.0, 0.0]), torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    expected = (math.log(2 + math.exp(-1)) + math.log(3)) / 2
    assert SoftmaxLoss()(PairScores(positive, negative)).item() == pytest.approx(expected)


def test_correction_makes_the_sampled_gradient_that_of_the_full_one():
    """A large sample from a skewed q, corrected, has the gradient of all items; plain it has not.

    The partition function's gradient is a ratio of two sums over the sample, so the error falls
    with the sample's size and nothing else is left.
    """
    generator = torch.Generator().manual_seed(3)
    user = torch.randn(1, WIDTH, generator=generator, dtype=torch.float64, requires_grad=True)
    item = torch.randn(ITEMS, WIDTH, generator=generator, dtype=torch.float64)
    weights = torch.arange(1.0, ITEMS + 1, dtype=torch.float64) ** 2
    q = weights / weights.sum()
    pool = torch.multinomial(q, 200_000, replacement=True, generator=generator)
    # the softmax over the sample alone: the observed item's own share is left out
    scores = user @ item[pool].T
    [full] = torch.autograd.grad((user @ item.T).logsumexp(1).sum(), user)
    [corrected] = torch.autograd.grad(
        contrastive.log_sum_exp(user, item[pool], -q[pool].log()).sum(), user
    )
    [plain] = torch.autograd.grad(scores.logsumexp(1).sum(), user)
    torch.testing.assert_close(corrected, full, atol=0.05, rtol=0)
    assert (plain - full).abs().max() > 0.2


def test_full_softmax_needs_all_items():
    user, item = torch.zeros(2, 3), torch.zeros(4, 3)
    with pytest.raises(ConfigError, match="negatives: full-softmax compares with all items"):
        FullSoftmaxLoss()(Pairs(2, (2, 1)).scores(user, item))
    with pytest.raises(ConfigError, match="FullSoftmaxLoss reads the rows behind a score"):
        FullSoftmaxLoss()(PairScores(torch.zeros(2), torch.zeros(2, 1)))


def test_temperature_is_checked():
    with pytest.raises(ConfigError, match="temperature: got 0, expected"):
        SoftmaxLoss(temperature=0)
