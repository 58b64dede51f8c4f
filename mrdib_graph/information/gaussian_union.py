"""Union information of two codes by a Gaussian channel: how much of it the two share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mrdib_graph.information.sources import principal_axes


class UnionResult(NamedTuple):
    """What two codes tell apart and without being joined, in nats of the Gaussian model.

    ``d1``, ``d2`` are the two codes alone, ``union`` is V, ``joint`` reads both codes linearly with
    the covariance that they really have.
    """

    d1: float
    d2: float
    union: float
    joint: float
    iterations: int
    converged: bool

    @property
    def overlap(self) -> float:
        """Shared part of ``d1 + d2``: ``1 - V / (d1 + d2)``; 0 where there is nothing to share."""
        total = self.d1 + self.d2
        return 1.0 - self.union / total if total > 0 else 0.0


def gaussian_union(
    z1: Tensor,
    z2: Tensor,
    beta1: Tensor,
    beta2: Tensor,
    item_weight: Tensor,
    user_weight: Tensor,
) -> UnionResult:
    r"""Union information of two linear readers of Gaussian codes, target: the user.

    The code of what user u picks is shifted by :math:`\delta_m(u) = \Sigma_m \beta_m(u)`, with
    :math:`\Sigma_m` the covariance of the code over items.  Whitened,
    :math:`x_m = \Sigma_m^{-1/2} \delta_m`, :math:`B = E_u[x x^\top]` with
    :math:`x = (x_1, x_2)`, and

    .. math:: V = \min_{\lVert C \rVert_2 < 1} \tfrac12
        \mathrm{tr}\Big(\begin{bmatrix} I & C \\ C^\top & I \end{bmatrix}^{-1} B\Big),

    the BROJA union (arXiv 1311.2852): it depends only on how each code alone relates to the user.
    A log barrier keeps the convex problem inside the ball; each step is solved by L-BFGS.  The
    result does not change under an invertible map of either code.

    Args:
        z1: Codes of the items, first source.
        z2: Codes of the items, second source.
        beta1: Log odds per unit of ``z1`` for each user.
        beta2: Log odds per unit of ``z2`` for each user.
        item_weight: Popularity q, not negative.
        user_weight: Weight of each user, for example her held-out interactions.

    Shapes:
        ``z1`` [I, d_1], ``z2`` [I, d_2], ``beta1`` [U, d_1], ``beta2`` [U, d_2], ``item_weight``
        [I], ``user_weight`` [U].
    """
    q = item_weight.double() / item_weight.double().sum()
    w = user_weight.double() / user_weight.double().sum()
    white1, x1 = _whiten(z1.double(), beta1.double(), q)
    white2, x2 = _whiten(z2.double(), beta2.double(), q)
    x = torch.cat([x1, x2], 1)
    b = ((x * w.unsqueeze(1)).T @ x).numpy()
    r1 = x1.size(1)
    d1, d2 = 0.5 * float(np.trace(b[:r1, :r1])), 0.5 * float(np.trace(b[r1:, r1:]))
    if d1 <= 0 or d2 <= 0:
        return UnionResult(d1, d2, d1 + d2, d1 + d2, 0, True)
    actual = _channel((white1.T @ (white2 * q.unsqueeze(1))).numpy())
    joint = 0.5 * float(np.trace(np.linalg.pinv(actual, rcond=1e-9, hermitian=True) @ b))
    union, iterations, converged = _minimise(b, r1)
    return UnionResult(d1, d2, union, joint, iterations, converged)


def _whiten(z: Tensor, beta: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """White item codes [I, r] and the users' shifts in them [U, r]."""
    z = z - q @ z
    axes, variance = principal_axes((z * q.unsqueeze(1)).T @ z, 1e-6)
    root = variance.sqrt()
    return z @ axes / root, beta @ axes * root


def _channel(c: np.ndarray) -> np.ndarray:
    return np.block([[np.eye(c.shape[0]), c], [c.T, np.eye(c.shape[1])]])


def _minimise(b: np.ndarray, r1: int) -> tuple[float, int, bool]:
    """V in nats, L-BFGS iterations and whether every barrier step converged.

    ``C = W (I + W^T W)^(-1/2)`` maps all matrices W one to one on the open ball, so no line search
    can leave it, and a convex function of C has no other stationary point in W.
    """
    from scipy.optimize import minimize

    r2 = b.shape[0] - r1
    scale = float(np.trace(b)) / (r1 + r2)
    b = b / scale
    w = np.zeros(r1 * r2)
    iterations, converged = 0, True
    for barrier in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5):
        solved = minimize(
            _objective,
            w,
            args=(b, r1, barrier),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 3_000, "maxfun": 6_000, "ftol": 1e-9, "gtol": 1e-5},
        )
        w = solved.x
        iterations += int(solved.nit)
        converged = converged and bool(solved.success)
    c, *_ = _into_ball(w.reshape(r1, r2))
    return 0.5 * float((np.linalg.inv(_channel(c)) * b).sum()) * scale, iterations, converged


def _into_ball(w: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """C of W, the inverse root of ``I + W^T W``, and the roots and axes of its spectrum."""
    spectrum, axes = np.linalg.eigh(np.eye(w.shape[1]) + w.T @ w)
    roots = np.sqrt(spectrum)
    inverse = (axes / roots) @ axes.T
    return w @ inverse, inverse, roots, axes


def _objective(
    flat: np.ndarray, b: np.ndarray, r1: int, barrier: float
) -> tuple[float, np.ndarray]:
    """``0.5 tr(P B) - t log det(I - C^T C)`` and its gradient in W."""
    w = flat.reshape(r1, -1)
    c, inverse, roots, axes = _into_ball(w)
    p = np.linalg.inv(_channel(c))
    value = 0.5 * float((p * b).sum()) + 2 * barrier * float(np.log(roots).sum())
    in_c = -(p @ b @ p)[:r1, r1:] - 2 * barrier * p[:r1, r1:]
    # The derivative of A^(-1/2) in the axes of A (Daleckii and Krein).
    kernel = -1.0 / (np.outer(roots, roots) * (roots[:, None] + roots[None, :]))
    inner = axes @ (kernel * (axes.T @ w.T @ in_c @ axes)) @ axes.T
    return value, (in_c @ inverse + w @ (inner + inner.T)).ravel()
