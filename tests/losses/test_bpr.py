"""BPR against a loop over its formula."""

import math

import pytest
import torch

from mrdib_graph.losses import BPRLoss, PairScores


def bpr(pos, neg, **options):
    return BPRLoss(**options)(PairScores(pos, neg))


def by_hand(pos: list[float], neg: list[list[float]]) -> float:
    pairs = [(p, n) for p, row in zip(pos, neg, strict=True) for n in row]
    return -sum(math.log(1 / (1 + math.exp(n - p))) for p, n in pairs) / len(pairs)


@pytest.mark.parametrize("num_negatives", [1, 3])
def test_equals_the_formula(num_negatives: int) -> None:
    generator = torch.Generator().manual_seed(0)
    pos = torch.randn(7, generator=generator, dtype=torch.float64)
    neg = torch.randn(7, num_negatives, generator=generator, dtype=torch.float64)
    assert float(bpr(pos, neg)) == pytest.approx(by_hand(pos.tolist(), neg.tolist()))


def test_known_values() -> None:
    zero = torch.zeros(2)
    assert float(bpr(zero, torch.zeros(2, 1))) == pytest.approx(math.log(2))
    assert float(bpr(zero, torch.zeros(2, 1), log2=True)) == pytest.approx(1.0)
    pos, neg = torch.tensor([1.0, -2.0]), torch.tensor([[0.5], [0.5]])
    ratio = float(bpr(pos, neg, log2=True) / bpr(pos, neg))
    assert ratio == pytest.approx(1.4427, abs=1e-4)


def test_large_differences_stay_finite() -> None:
    pos = torch.tensor([-1e4, 1e4], requires_grad=True)
    loss = bpr(pos, torch.zeros(2, 1))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(5e3)
    assert pos.grad is not None and pos.grad.tolist() == [-0.5, 0.0]


def test_gradient() -> None:
    generator = torch.Generator().manual_seed(1)
    pos = torch.randn(4, generator=generator, dtype=torch.float64, requires_grad=True)
    neg = torch.randn(4, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(bpr, (pos, neg))
