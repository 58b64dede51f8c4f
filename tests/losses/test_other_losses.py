"""Cross-entropy, cosine contrast, alignment and uniformity against loops over their formulas."""

import math

import pytest
import torch
import torch.nn.functional as F

from mrdib_graph.errors import ConfigError
from mrdib_graph.losses import BCELoss, CCLLoss, DirectAULoss, Pairs, PairScores
from mrdib_graph.losses.direct_au import uniformity


@pytest.fixture
def rows():
    generator = torch.Generator().manual_seed(0)
    user = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    item = torch.randn(4 + 6, 3, generator=generator, dtype=torch.float64)
    valid = torch.rand(4, 6, generator=generator) < 0.6
    valid[:, 0] = True
    return user, item, valid


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_binary_cross_entropy_by_hand(rows):
    user, item, valid = rows
    scores = Pairs(4, (6,), valid=valid).scores(user, item)
    total = 0.0
    for b in range(4):
        kept = [float(x) for x, v in zip(scores.negative[b], valid[b], strict=True) if v]
        negative = sum(math.log(sigmoid(-x)) for x in kept) / len(kept)
        total -= math.log(sigmoid(float(scores.positive[b]))) + 2.5 * negative
    assert BCELoss(negative_weight=2.5)(scores).item() == pytest.approx(total / 4)
    every = PairScores(scores.positive, scores.negative)
    torch_own = F.binary_cross_entropy_with_logits
    expected = torch_own(scores.positive, torch.ones(4).double()) + torch_own(
        scores.negative, torch.zeros(4, 6).double()
    )
    torch.testing.assert_close(BCELoss()(every), expected)


def test_cosine_contrast_by_hand(rows):
    user, item, valid = rows
    scores = Pairs(4, (6,), cosine=True, valid=valid).scores(user, item)
    total = 0.0
    for b in range(4):
        cosines = F.cosine_similarity(user[b : b + 1], item[4:]).tolist()
        over = [max(0.0, c - 0.3) for c, v in zip(cosines, valid[b], strict=True) if v]
        own = F.cosine_similarity(user[b], item[b], dim=0).item()
        total += 1 - own + 7 * sum(over) / len(over)
    assert CCLLoss(negative_weight=7, margin=0.3)(scores).item() == pytest.approx(total / 4)


def test_alignment_and_uniformity_by_hand(rows):
    user, item, _ = rows
    scores = Pairs(4, (6,), cosine=True).scores(user, item)
    u, i = F.normalize(user, dim=1), F.normalize(item[:4], dim=1)
    alignment = sum(float(((u[b] - i[b]) ** 2).sum()) for b in range(4)) / 4
    spread = []
    for x in (u, i):
        pairs = [float(((x[b] - x[c]) ** 2).sum()) for b in range(4) for c in range(b)]
        spread.append(math.log(sum(math.exp(-2 * d) for d in pairs) / len(pairs)))
    expected = alignment + 0.7 * sum(spread) / 2
    assert DirectAULoss(gamma=0.7)(scores).item() == pytest.approx(expected)
    torch.testing.assert_close(uniformity(u), torch.pdist(u).square().mul(-2).exp().mean().log())
    assert uniformity(u[:1]) == 0


def test_alignment_leaves_out_items_that_lack_what_is_scored(rows):
    user, item, _ = rows
    has = torch.ones(10, dtype=torch.bool)
    has[1] = False
    scores = Pairs(4, (6,), cosine=True).scores(user, item, has)
    u, i = F.normalize(user, dim=1), F.normalize(item[:4], dim=1)
    keep = torch.tensor([0, 2, 3])
    alignment = (u - i)[keep].square().sum() / 4
    expected = alignment + (uniformity(u) + uniformity(i[keep])) / 2
    torch.testing.assert_close(DirectAULoss()(scores), expected)


def test_a_sum_of_scores_has_no_rows():
    with pytest.raises(ConfigError, match="DirectAULoss reads the rows behind a score"):
        DirectAULoss()(PairScores(torch.zeros(2), torch.zeros(2, 1)))
