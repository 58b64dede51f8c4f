"""The closed-form gradient against autograd through the plain formula."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mrdib_graph.estimators.gaussian_plug_in import plug_in

CASES = [(40, 4, 4, 1.0), (40, 8, 4, 1.0), (40, 6, 4, 1.0), (9, 4, 4, 0.5), (9, 3, 4, 0.5)]
"""Rows, widths of both codes, and share of the covariances that is kept."""


def codes(n: int, p: int, d: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    z1 = torch.randn(n, p, dtype=torch.float64, generator=generator)
    z2 = torch.randn(n, d, dtype=torch.float64, generator=generator) + 0.7 * z1[:, :1] - 3
    return z1.requires_grad_(), z2.requires_grad_()


def by_determinants(z1: Tensor, z2: Tensor, keep: float, ridge: float, floor: float) -> Tensor:
    """``1/2 (log det S11 + log det S22 - log det S)`` of the covariances with what is added."""
    p, d = z1.size(1), z2.size(1)
    covariance = keep * torch.cov(torch.cat([z1, z2], 1).T)
    blocks = [range(a, min(a + d, p)) for a in range(0, p, d)] + [range(p, p + d)]
    added = torch.zeros(p + d, dtype=torch.float64)
    variances = covariance.diagonal() / keep
    for columns in blocks:
        rows = list(columns)
        added[rows] = (1 - keep + ridge) * variances[rows].mean() + floor**2
    joint = covariance + torch.diag(added)
    return 0.5 * (joint[:p, :p].logdet() + joint[p:, p:].logdet() - joint.logdet())


@pytest.mark.parametrize(("n", "p", "d", "keep"), CASES)
def test_value_and_gradient_are_those_of_the_determinants(
    n: int, p: int, d: int, keep: float
) -> None:
    z = codes(n, p, d)
    value, share = plug_in(*z, keep, 0.01, 0.1)
    expected = by_determinants(*z, keep, 0.01, 0.1)
    torch.testing.assert_close(value, expected)
    assert 0 < float(share) < 1 and not share.requires_grad
    for ours, wanted in zip(
        torch.autograd.grad(3 * value, z), torch.autograd.grad(3 * expected, z), strict=True
    ):
        torch.testing.assert_close(ours, wanted)


def test_gradient_against_finite_differences() -> None:
    z = codes(12, 4, 2)
    assert torch.autograd.gradcheck(lambda a, b: plug_in(a, b, 0.9, 0.01, 0.1)[0], z)


def test_a_code_without_a_gradient_gets_none() -> None:
    z1, z2 = codes(20, 3, 3)
    for live in ((z1, z2.detach()), (z1.detach(), z2)):
        value, _ = plug_in(*live, 1.0, 1e-4, 0.01)
        leaf = live[0] if live[0].requires_grad else live[1]
        both = torch.autograd.grad(plug_in(z1, z2, 1.0, 1e-4, 0.01)[0], [leaf])
        torch.testing.assert_close(torch.autograd.grad(value, [leaf]), both)
    assert not plug_in(z1.detach(), z2.detach(), 1.0, 1e-4, 0.01)[0].requires_grad
