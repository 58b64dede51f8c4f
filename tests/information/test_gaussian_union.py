import math

import numpy as np
import pytest
import torch
from scipy.optimize import check_grad

from mrdib_graph.information.gaussian_union import UnionResult, _objective, gaussian_union

ITEMS, USERS, K, B = 1000, 1000, 4, 0.7


def draws(seed=0):
    """White item factors, exactly, and unit tastes whose second moment is exactly I / K."""
    generator = torch.Generator().manual_seed(seed)

    def orthonormal(n, k):
        x = torch.randn(n, k, generator=generator, dtype=torch.float64)
        return torch.linalg.qr(x - x.mean(0)).Q * n**0.5

    factors = orthonormal(ITEMS, 5 * K).split(K, 1)
    tastes = (orthonormal(USERS, 5 * K) / K**0.5).split(K, 1)
    return factors, tastes


F, W = draws()


def parts(z1, z2, beta1, beta2):
    found = gaussian_union(z1, z2, beta1, beta2, torch.ones(ITEMS), torch.ones(USERS))
    assert found.converged
    d1, d2, v, joint = (x / math.log(2) for x in found[:4])
    return d1 + d2 - v, v - d2, v - d1, joint - v


def mask(kappa):
    r = B / (1 + kappa**2)
    return F[0] + kappa * F[1], F[0] - kappa * F[1], r * W[0], r * W[0]


def noisy(noise):
    r = B / (1 + noise**2)
    return F[0] + noise * F[1], F[0] + noise * F[2], r * W[0], r * W[0]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ((F[0], F[0], B * W[0], B * W[0]), (0.3535, 0, 0, 0)),
        ((F[0], F[1], B * W[0], B * W[1]), (0, 0.3535, 0.3535, 0)),
        ((F[0], F[1], W[0], 0.5 * W[1]), (0, 0.7213, 0.1803, 0)),
        (mask(4.0), (0.0208, 0, 0, 0.3327)),
        (noisy(0.5), (0.2828, 0, 0, 0.0314)),
    ],
    ids=["copy", "independent", "unequal", "mask", "noisy views"],
)
def test_white_factors(case, expected):
    assert parts(*case) == pytest.approx(expected, abs=1e-3)


def mixed():
    r = B / 17
    z1 = torch.cat([F[0], F[1], F[3] + 4 * F[4]], 1)
    z2 = torch.cat([F[0], F[2], F[3] - 4 * F[4]], 1)
    beta1 = torch.cat([B * W[0], B * W[1], r * W[3]], 1)
    beta2 = torch.cat([B * W[0], B * W[2], r * W[3]], 1)
    return z1, z2, beta1, beta2


def test_copy_unique_and_mask_in_one_code():
    assert parts(*mixed()) == pytest.approx((0.3743, 0.3535, 0.3535, 0.3327), abs=2e-3)


@pytest.mark.parametrize("kind", ["rotation", "invertible"])
def test_invertible_maps_change_nothing(kind):
    z1, z2, beta1, beta2 = mixed()
    generator = torch.Generator().manual_seed(1)
    maps = [torch.randn(12, 12, generator=generator, dtype=torch.float64) for _ in range(2)]
    if kind == "rotation":
        maps = [torch.linalg.qr(m).Q for m in maps]
    else:
        maps = [m + 4 * torch.eye(12) for m in maps]
    moved = parts(
        z1 @ maps[0],
        z2 @ maps[1],
        beta1 @ torch.linalg.inv(maps[0]).T,
        beta2 @ torch.linalg.inv(maps[1]).T,
    )
    assert moved == pytest.approx(parts(z1, z2, beta1, beta2), abs=1e-3)


@pytest.mark.parametrize(("a", "b"), [(1.0, 0.6), (0.4, 0.4), (0.2, 1.3)])
def test_one_dimension_is_the_min_rule(a, b):
    z = F[0][:, :1]
    w = W[0][:, :1] * K**0.5
    found = gaussian_union(z, z, a * w, b * w, torch.ones(ITEMS), torch.ones(USERS))
    assert found.union == pytest.approx(max(a, b) ** 2 / 2, abs=1e-3)


def test_minimum_over_a_grid_of_channels():
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(USERS, 3, generator=generator, dtype=torch.float64) @ torch.randn(
        3, 3, generator=generator, dtype=torch.float64
    )
    b = (x.T @ x / USERS).numpy()
    z = F[0]
    found = gaussian_union(
        z[:, :1], z[:, 1:3], x[:, :1], x[:, 1:], torch.ones(ITEMS), torch.ones(USERS)
    )
    best = math.inf
    for c0 in np.linspace(-0.995, 0.995, 200):
        for c1 in np.linspace(-0.995, 0.995, 200):
            if c0**2 + c1**2 < 0.9999:
                channel = np.array([[1, c0, c1], [c0, 1, 0], [c1, 0, 1]])
                best = min(best, 0.5 * float(np.trace(np.linalg.inv(channel) @ b)))
    assert found.union <= best + 1e-6
    assert found.union == pytest.approx(best, rel=5e-3)


def test_gradient():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 7))
    b = x.T @ x / 50
    w = rng.normal(size=12)
    error = check_grad(
        lambda v: _objective(v, b, 3, 0.01)[0], lambda v: _objective(v, b, 3, 0.01)[1], w
    )
    assert error < 1e-4 * np.linalg.norm(_objective(w, b, 3, 0.01)[1])


def test_nothing_to_share():
    zero = torch.zeros(USERS, K, dtype=torch.float64)
    found = gaussian_union(F[0], F[1], zero, W[1], torch.ones(ITEMS), torch.ones(USERS))
    assert found.overlap == 0
    assert found.d1 == 0
    nothing = gaussian_union(F[0], F[1], zero, zero, torch.ones(ITEMS), torch.ones(USERS))
    assert nothing.overlap == 0 and nothing.union == 0


def test_overlap_by_hand():
    assert UnionResult(0.3, 0.2, 0.4, 0.6, 10, True).overlap == pytest.approx(0.2)


def test_weights_count_as_repetition():
    item_weight = torch.ones(ITEMS)
    user_weight = torch.ones(USERS)
    user_weight[:200] = 3
    again = torch.cat([torch.arange(USERS), torch.arange(200), torch.arange(200)])
    z1, z2, beta1, beta2 = mixed()
    weighted = gaussian_union(z1, z2, beta1, beta2, item_weight, user_weight)
    repeated = gaussian_union(
        z1, z2, beta1[again], beta2[again], item_weight, torch.ones(again.numel())
    )
    assert weighted[:4] == pytest.approx(repeated[:4], abs=1e-4)
