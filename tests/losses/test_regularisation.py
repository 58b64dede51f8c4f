"""L2 terms: the hand-computed case and loops over the formulas."""

import pytest
import torch

from mrdib_graph.losses import emb_norm, l2_half

ROWS = [torch.tensor([[3.0, 4.0]]), torch.tensor([[6.0, 8.0]]), torch.tensor([[0.0, 5.0]])]


def test_hand_computed_case() -> None:
    assert float(emb_norm(*ROWS)) == 20.0  # 5 + 10 + 5
    assert float(l2_half(*ROWS)) == 75.0  # (25 + 100 + 25) / 2
    assert float(l2_half(*ROWS, divisor=2048)) == pytest.approx(75 / 2048)


def test_emb_norm_is_one_norm_per_argument_over_the_rows_of_the_last() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(4, 3, generator=generator), torch.randn(6, 3, generator=generator)
    expected = sum(sum(v * v for v in r.flatten().tolist()) ** 0.5 for r in (a, b)) / 6
    assert float(emb_norm(a, b)) == pytest.approx(expected, rel=1e-6)


def test_l2_half_divides_by_the_rows_of_the_first() -> None:
    generator = torch.Generator().manual_seed(1)
    a, b = torch.randn(4, 3, generator=generator), torch.randn(8, 3, generator=generator)
    expected = sum(v * v for r in (a, b) for v in r.flatten().tolist()) / (2 * 4)
    assert float(l2_half(a, b)) == pytest.approx(expected, rel=1e-6)


def test_gradients() -> None:
    rows = tuple(
        torch.randn(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(s))
        for s in (2, 3)
    )
    for row in rows:
        row.requires_grad_()
    assert torch.autograd.gradcheck(emb_norm, rows)
    assert torch.autograd.gradcheck(l2_half, rows)


def test_rows_of_zeros_have_a_finite_gradient() -> None:
    zero = torch.zeros(2, 3, requires_grad=True)
    (emb_norm(zero) + l2_half(zero)).backward()
    assert zero.grad is not None and not zero.grad.any()
