import pytest
import torch

from mrdib_graph.losses import PairScores
from mrdib_graph.mrdib import synergy_hinge


def scores(positive, negative, present=None):
    mask = None if present is None else torch.tensor(present)
    return PairScores(
        torch.tensor(positive).requires_grad_(), torch.tensor(negative).requires_grad_(), mask
    )


def test_hinge_by_hand():
    fused = scores([2.0, 0.0], [[0.0, 1.5], [1.0, -4.0]])  # differences 2, .5, -1, 4
    image = scores([1.0, 1.0], [[0.0, 1.0], [3.0, 0.0]])  # 1, 0, -2, 1
    text = scores([0.0, 0.0], [[1.0, -1.0], [0.0, -2.0]])  # -1, 1, 0, 2
    loss = synergy_hinge(fused, [image, text], margin=0.5)
    # max(0, .5 + 1 - 2), max(0, .5 + 1 - .5), max(0, .5 + 0 + 1), max(0, .5 + 2 - 4)
    assert loss.item() == pytest.approx((0 + 1.0 + 1.5 + 0) / 4)
    loss.backward()
    assert fused.positive.grad.tolist() == [-0.25, -0.25]
    assert fused.negative.grad.tolist() == [[0, 0.25], [0.25, 0]]
    for alone in (image, text):
        assert alone.positive.grad is None and alone.negative.grad is None


def test_a_triplet_counts_with_the_modalities_that_both_items_have():
    fused = scores([1.0, 1.0, 1.0], [[0.0], [0.0], [0.0]])  # 1
    image = scores([5.0, 5.0, 5.0], [[0.0], [0.0], [0.0]], [[True], [False], [False]])  # 5
    text = scores([3.0, 3.0, 3.0], [[0.0], [0.0], [0.0]], [[True], [True], [False]])  # 3
    loss = synergy_hinge(fused, [image, text], margin=0.0)
    assert loss.item() == pytest.approx((4 + 2) / 2)  # the third is not among them
    loss.backward()
    assert fused.positive.grad.tolist() == [-0.5, -0.5, 0]
    assert fused.negative.grad.tolist() == [[0.5], [0.5], [0]]


def test_a_batch_without_any_modality_gives_zero():
    fused, none = scores([1.0], [[2.0]]), scores([9.0], [[0.0]], [[False]])
    loss = synergy_hinge(fused, [none], margin=1.0)
    loss.backward()
    assert loss == 0 and fused.positive.grad == 0


@pytest.mark.parametrize("margin", [0.0, 0.3, 2.0])
def test_equals_a_loop_on_random_scores(margin):
    generator = torch.Generator().manual_seed(0)
    made = [
        PairScores(
            torch.randn(20, generator=generator),
            torch.randn(20, 3, generator=generator),
            torch.rand(20, 3, generator=generator) < 0.6 if masked else None,
        )
        for masked in (False, True, True, True)
    ]
    fused, alone = made[0], made[1:]
    terms = []
    for b in range(20):
        for j in range(3):
            best = [float(s.positive[b] - s.negative[b, j]) for s in alone if bool(s.present[b, j])]
            if best:
                gain = float(fused.positive[b] - fused.negative[b, j])
                terms.append(max(0.0, margin + max(best) - gain))
    assert 0 < len(terms) < 60
    expected = sum(terms) / len(terms)
    assert synergy_hinge(fused, alone, margin).item() == pytest.approx(expected, rel=1e-5)
