"""The plug-in value of the Gaussian estimator, with its gradient in closed form."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def plug_in(
    z1: Tensor, z2: Tensor, keep: float, ridge: float, floor: float
) -> tuple[Tensor, Tensor]:
    r"""Mutual information of the Gaussian that has the codes' covariances, in nats.

    .. math::
        I = -\tfrac12 \log\det\big(1 - R R^\top\big), \qquad
        \frac{\partial I}{\partial S} = \tfrac12 \Big(
            \begin{pmatrix} S_{11}^{-1} & \\ & S_{22}^{-1} \end{pmatrix} - S^{-1} \Big)

    with the joint covariance S, what is added to the variances included.  The gradient is written
    out: four products over rows in place of twice as many steps back.

    Args:
        z1: Codes [n, p].
        z2: Codes [n, d].
        keep: Share of the covariances that is kept; the rest goes to the variances' mean.
        ridge: Share of the mean variance that is added to every variance, for each d columns.
        floor: Its square is added to every variance.

    Returns:
        The value [], differentiable once, and the share of column pairs above the floor [], a
        constant; both float64.
    """
    with torch.autocast(z1.device.type, enabled=False):  # covariances need all of the codes' digits
        found: tuple[Tensor, Tensor] = _PlugIn.apply(z1, z2, keep, ridge, floor)  # type: ignore[no-untyped-call]
    return found


class _PlugIn(torch.autograd.Function):
    """Value and share; the gradient in the covariances is made along with them."""

    @staticmethod
    def forward(
        ctx: Any, z1: Tensor, z2: Tensor, keep: float, ridge: float, floor: float
    ) -> tuple[Tensor, Tensor]:
        n, d = z2.shape
        z1, z2 = z1 - z1.mean(0), z2 - z2.mean(0)
        share = torch.ones((), dtype=torch.float64, device=z1.device)
        factors, inverses = [], []
        for z in (z1, z2):
            covariance = (z.T @ z).double() / (n - 1)  # [p, p] or [d, d]
            variances = torch.split(covariance.diagonal(), d)  # of each code
            added = [(1 - keep + ridge) * v.mean() + floor**2 for v in variances]
            regular = keep * covariance
            for more, diagonal in zip(added, torch.split(regular.diagonal(), d), strict=True):
                diagonal += more
            # cholesky_ex does not wait for a GPU; codes that are not finite give NaN
            factor, _ = torch.linalg.cholesky_ex(regular)
            inverse = torch.cholesky_inverse(factor)
            of_codes = torch.split(inverse.diagonal(), d)
            noise = [more * i.mean() for more, i in zip(added, of_codes, strict=True)]
            share = share * (1 - torch.stack(noise).mean())
            factors.append(factor)
            inverses.append(inverse)
        cross = (z1.T @ z2).double() * (keep / (n - 1))  # [p, d]
        half = torch.linalg.solve_triangular(factors[0], cross, upper=False)
        r = torch.linalg.solve_triangular(factors[1], half.T, upper=False)  # R transposed
        eye = torch.eye(d, dtype=torch.float64, device=z1.device)
        residual, _ = torch.linalg.cholesky_ex(eye - r @ r.T)
        if any(ctx.needs_input_grad[:2]):
            # block inversion of S: what z1 does not tell of z2 has the covariance L L'
            unexplained = torch.cholesky_inverse(factors[1] @ residual)
            map_to_1 = inverses[0] @ cross
            of_cross = map_to_1 @ unexplained
            of_first, of_second = -of_cross @ map_to_1.T, inverses[1] - unexplained  # times 1/2
            for of_side in (of_first, of_second):
                for diagonal in torch.split(of_side.diagonal(), d):
                    diagonal += (1 - keep + ridge) / keep * diagonal.mean()
            scale = keep / (n - 1)
            small = (m.mul_(scale).to(z1.dtype) for m in (of_first, of_cross, of_second))
            ctx.save_for_backward(z1, z2, *small)
        ctx.mark_non_differentiable(share)
        return -residual.diagonal().log().sum(), share

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad: Tensor, of_share: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        del of_share
        z1, z2, of_first, of_cross, of_second = ctx.saved_tensors
        grad = grad.to(z1.dtype)
        of_first, of_cross, of_second = (grad * m for m in (of_first, of_cross, of_second))
        # the columns of z1 and z2 have mean 0, so the gradient passes the centring as it is
        of_z1 = of_z2 = None
        with torch.autocast(z1.device.type, enabled=False):
            if ctx.needs_input_grad[0]:
                of_z1 = (z1 @ of_first).addmm_(z2, of_cross.T)
            if ctx.needs_input_grad[1]:
                of_z2 = (z2 @ of_second).addmm_(z1, of_cross)
        return of_z1, of_z2, None, None, None
