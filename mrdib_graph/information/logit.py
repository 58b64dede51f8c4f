"""Ridge-penalised conditional logit: fitted on all rows, and again without each fold of them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_BLOCK = 2_000  # rows at a time: about 30 MB at 100 columns and 16 candidates
_FLOOR = 1e-3  # penalty that keeps equal free columns apart, far below the curvature of 500 rows
_TOLERANCE = 1e-12  # Newton decrement a row


class Fit(NamedTuple):
    """Coefficients on all rows [p], and without the rows of each fold [folds, p]."""

    full: Tensor
    folds: Tensor


class _Moments(NamedTuple):
    value: float
    gradient: Tensor  # [p]
    hessian: Tensor  # [p, p]


def fit_logit(
    difference: Tensor, penalty: Tensor, fold: Tensor | None, row_weight: Tensor | None = None
) -> Fit:
    r"""Newton fit of a conditional logit with a ridge.

    .. math:: \min_\theta \sum_r w_r \log\Big(1 + \sum_j e^{\theta^\top x_{rj}}\Big)
        + \tfrac12 \sum_k \lambda_k \theta_k^2

    ``x_rj`` is candidate j minus the positive of row r.  A fold's fit starts from that of all rows
    and keeps the Hessian that its rows have there, so one Hessian serves all its steps.

    Args:
        difference: ``x`` [n, c, p].
        penalty: ``lambda`` [p].
        fold: Fold of each row [n], ascending from 0; None fits all rows only.
        row_weight: ``w`` [n]; None means 1.
    """
    weight = difference.new_ones(difference.size(0)) if row_weight is None else row_weight.double()
    theta = difference.new_zeros(difference.size(2))
    penalty = penalty + _FLOOR
    theta = _newton(difference, theta, penalty, weight)
    if fold is None:
        return Fit(theta, theta.unsqueeze(0))
    return Fit(theta, _without_folds(difference, theta, penalty, fold))


def _newton(x: Tensor, theta: Tensor, penalty: Tensor, weight: Tensor) -> Tensor:
    now = _moments(x, theta, penalty, weight)
    for _ in range(50):
        step = -torch.linalg.solve(now.hessian, now.gradient)
        if -float(step @ now.gradient) < _TOLERANCE * x.size(0):
            break
        size = 1.0
        after = _moments(x, theta + step, penalty, weight)
        while after.value > now.value and size > 1e-4:
            size /= 2
            after = _moments(x, theta + size * step, penalty, weight)
        theta, now = theta + size * step, after
    return theta


def _moments(x: Tensor, theta: Tensor, penalty: Tensor, weight: Tensor) -> _Moments:
    """Loss, gradient and Hessian at theta."""
    value = 0.5 * float((penalty * theta.square()).sum())
    gradient = penalty * theta
    hessian = torch.diag(penalty)
    for start in range(0, x.size(0), _BLOCK):
        block, w = x[start : start + _BLOCK], weight[start : start + _BLOCK]
        odds = block @ theta
        p, log_sum = _choice(odds)
        value += float(w @ log_sum)
        mean = (p.unsqueeze(1) @ block).squeeze(1)  # [b, p]
        gradient = gradient + w @ mean
        scaled = block * (p * w.unsqueeze(1)).unsqueeze(2)
        hessian = hessian + scaled.flatten(0, 1).T @ block.flatten(0, 1)
        hessian = hessian - (mean * w.unsqueeze(1)).T @ mean
    return _Moments(value, gradient, hessian)


def _choice(odds: Tensor) -> tuple[Tensor, Tensor]:
    """Probability of each candidate against the positive at 0, and the log normaliser; axis 1."""
    log_sum = torch.nn.functional.softplus(odds.logsumexp(1))
    return (odds - log_sum.unsqueeze(1)).exp(), log_sum


def _without_folds(x: Tensor, theta: Tensor, penalty: Tensor, fold: Tensor) -> Tensor:
    folds = int(fold[-1]) + 1
    all_rows = _moments(x, theta, penalty, x.new_ones(x.size(0))).hessian
    nothing = torch.zeros_like(penalty)
    roots = []
    for f in range(folds):
        rows = x[fold == f]
        left_out = _moments(rows, theta, nothing, x.new_ones(rows.size(0))).hessian
        roots.append(torch.linalg.cholesky(all_rows - left_out))
    root = torch.stack(roots)
    seen = (fold.unsqueeze(1) != torch.arange(folds)).to(x.dtype)  # [n, folds]
    flat = x.flatten(0, 1)  # [n c, p]
    thetas = theta.unsqueeze(0).repeat(folds, 1)
    for _ in range(40):
        p, _ = _choice((flat @ thetas.T).view(x.size(0), x.size(1), folds))
        gradient = (flat.T @ (p * seen.unsqueeze(1)).flatten(0, 1)).T + penalty * thetas
        step = -torch.cholesky_solve(gradient.unsqueeze(2), root).squeeze(2)
        thetas = thetas + step
        if float((-step * gradient).sum(1).max()) < _TOLERANCE * x.size(0):
            return thetas
    for f in range(folds):  # a fold far from the rest: fresh Hessians
        rows = fold != f
        thetas[f] = _newton(x[rows], theta, penalty, x.new_ones(int(rows.sum())))
    return thetas
