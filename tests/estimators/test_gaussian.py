import math

import pytest
import torch
from torch import Generator, Tensor

from mrdib_graph.estimators import Gaussian
from mrdib_graph.estimators.gaussian import gaussian_bias
from mrdib_graph.testing.estimators import gaussian_information, gaussian_pair

TIGHT = {"floor": 1e-8, "ridge": 1e-14}


def mean_estimate(estimator: Gaussian, n: int, d: int, r: float, draws: int) -> tuple[float, float]:
    """Mean over fresh draws and its standard error."""
    generator = Generator().manual_seed(0)
    values = torch.stack(
        [estimator(*gaussian_pair(n, d, r, generator), generator) for _ in range(draws)]
    ).double()
    return float(values.mean()), float(values.std()) / math.sqrt(draws)


@pytest.mark.parametrize("d", [2, 8, 64])
@pytest.mark.parametrize("r", [0.0, 0.3, 0.9])
def test_closed_form_without_bias_on_correlated_gaussians(d, r):
    mean, error = mean_estimate(Gaussian(d), 16 * d, d, r, draws=60)
    # the default floor and ridge lower the value slightly, most of all at r = .9
    assert abs(mean - gaussian_information(d, r)) < 4 * error + 0.005 * gaussian_information(d, r)


def test_plug_in_is_too_high_by_the_digamma_sums_whatever_the_dependence():
    n, d = 60, 6
    for r in (0.0, 0.7):
        mean, error = mean_estimate(Gaussian(d, correct_bias=False, **TIGHT), n, d, r, draws=800)
        bias = mean - gaussian_information(d, r)
        assert abs(bias - gaussian_bias(n, d)) < 4 * error
        assert gaussian_bias(n, d) > 20 * error


@pytest.mark.parametrize("n", [30, 400])
def test_a_wide_first_code_without_bias(n):
    """Two columns tell z2, four are noise: with 29 < 4 * 8 / 2 rows less 1 by re-paired rows."""
    generator = Generator().manual_seed(0)
    estimator, values = Gaussian(2, first_dim=6), []
    for _ in range(400):
        told, z2 = gaussian_pair(n, 2, 0.8, generator)
        z1 = torch.cat([told, torch.randn(n, 4, generator=generator)], 1)
        values.append(float(estimator(z1, z2, generator)))
    mean = sum(values) / len(values)
    error = float(torch.tensor(values).std()) / math.sqrt(len(values))
    assert abs(mean - gaussian_information(2, 0.8)) < 4 * error + 0.005


def test_bias_of_other_widths_matches_scipy():
    from scipy.special import psi

    n, p, d = 90, 7, 3
    nu = n - 1

    def mean_log_det(width):
        return sum(psi((nu - i + 1) / 2) for i in range(1, width + 1))

    expected = 0.5 * (mean_log_det(p) + mean_log_det(d) - mean_log_det(p + d))
    assert gaussian_bias(n, d, p) == pytest.approx(expected, rel=1e-12)
    assert gaussian_bias(n, p, d) == pytest.approx(expected, rel=1e-9)
    assert gaussian_bias(n, d, d) == gaussian_bias(n, d)


def test_a_wide_code_is_the_log_determinants_and_its_parts_may_differ_in_scale():
    z1, z2 = (z.double() for z in gaussian_pair(40, 6, 0.6, 0))
    z2 = z2[:, :3]
    logdet = [torch.cov(z.T).logdet() for z in (z1, z2, torch.cat([z1, z2], 1))]
    expected = 0.5 * (logdet[0] + logdet[1] - logdet[2])
    estimator = Gaussian(3, correct_bias=False, first_dim=6, **TIGHT)
    torch.testing.assert_close(estimator(z1, z2), expected, rtol=1e-8, atol=1e-8)
    few, small = z1[:12], z1[:12] * torch.tensor([1.0, 1, 1, 1e-3, 1e-3, 1e-3]).double()
    assert 11 < 2 * (6 + 3)  # shrunk, each code towards its own variance
    torch.testing.assert_close(
        estimator(small, z2[:12]), estimator(few, z2[:12]), rtol=1e-6, atol=0
    )


def test_bias_matches_scipy():
    from scipy.special import psi

    n, d = 100, 5
    nu = n - 1
    separate = 2 * sum(psi((nu - i + 1) / 2) for i in range(1, d + 1))
    together = sum(psi((nu - i + 1) / 2) for i in range(1, 2 * d + 1))
    assert gaussian_bias(n, d) == pytest.approx(0.5 * (separate - together), rel=1e-12)
    assert gaussian_bias(10_000, d) == pytest.approx(d * d / 20_000, rel=2e-3)


def test_equals_log_determinants_of_sample_covariances():
    z1, z2 = (z.double() for z in gaussian_pair(40, 5, 0.5, 0))
    joint = torch.cat([z1, z2], 1)
    logdet = [torch.cov(z.T).logdet() for z in (z1, z2, joint)]
    expected = 0.5 * (logdet[0] + logdet[1] - logdet[2])
    got = Gaussian(5, correct_bias=False, **TIGHT)(z1, z2)
    torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-8)


def test_equals_canonical_correlations_of_scikit_learn():
    from sklearn import cross_decomposition

    z1, z2 = gaussian_pair(200, 3, 0.6, 1)
    cca = cross_decomposition.CCA(n_components=3, max_iter=5000, tol=1e-12)
    scores = cca.fit_transform(z1.double().numpy(), z2.double().numpy())
    u1, u2 = (torch.from_numpy(u) for u in scores)
    rho = torch.corrcoef(torch.cat([u1, u2], 1).T)[:3, 3:].diagonal()
    expected = float(-0.5 * torch.log1p(-rho.square()).sum())
    got = Gaussian(3, correct_bias=False, **TIGHT)(z1.double(), z2.double())
    assert float(got) == pytest.approx(expected, abs=1e-6)


def test_invariant_under_invertible_maps_of_either_code():
    generator = Generator().manual_seed(0)
    z1, z2 = (z.double() for z in gaussian_pair(300, 6, 0.5, 1))
    maps = torch.randn(2, 6, 6, generator=generator).double() + 2 * torch.eye(6).double()
    shifts = 10 * torch.randn(2, 6, generator=generator).double()
    estimator = Gaussian(6, **TIGHT)
    moved = estimator(z1 @ maps[0] + shifts[0], z2 @ maps[1] + shifts[1])
    torch.testing.assert_close(moved, estimator(z1, z2), rtol=1e-8, atol=1e-8)
    # with the default ridge and floor, scales well above the floor agree closely
    torch.testing.assert_close(Gaussian(6)(30 * z1, z2), Gaussian(6)(z1, z2), rtol=1e-3, atol=0)


def test_symmetric_in_the_codes():
    z1, z2 = gaussian_pair(300, 6, 0.5, 1)
    torch.testing.assert_close(Gaussian(6)(z1, z2), Gaussian(6)(z2, z1))


@pytest.mark.parametrize("n", [4, 10, 40])
def test_gradcheck_in_float64(n):
    estimator = Gaussian(3, floor=0.1, ridge=1e-2)
    z1, z2 = (z.double().requires_grad_() for z in gaussian_pair(n, 3, 0.5, 2))

    def value(a: Tensor, b: Tensor) -> Tensor:
        return Gaussian(3, floor=0.1, ridge=1e-2, correct_bias=False)(a, b)

    assert torch.autograd.gradcheck(value, (z1, z2))
    plain = torch.autograd.grad(value(z1, z2), (z1, z2))
    corrected = torch.autograd.grad(estimator(z1, z2), (z1, z2))
    assert all(torch.equal(a, b) for a, b in zip(plain, corrected, strict=True))


@pytest.mark.parametrize("n", [2, 5, 16, 40, 64, 65])
def test_fewer_rows_than_columns_stays_near_0_on_independent_codes(n):
    d = 16
    mean, error = mean_estimate(Gaussian(d), n, d, 0.0, draws=100)
    assert abs(mean) < 4 * error + 1e-3
    raw, _ = mean_estimate(Gaussian(d, correct_bias=False), n, d, 0.0, draws=20)
    assert math.isfinite(raw) and raw < d
    dependent, _ = mean_estimate(Gaussian(d), n, d, 0.9, draws=20)
    assert n == 2 or dependent > mean


def test_shrinkage_ends_where_the_exact_bias_takes_over():
    d = 8
    below, _ = mean_estimate(Gaussian(d), 4 * d, d, 0.5, draws=300)
    above, _ = mean_estimate(Gaussian(d), 4 * d + 1, d, 0.5, draws=300)
    assert 0 < above - below < 0.3 * gaussian_information(d, 0.5)


@pytest.mark.parametrize("scale", [0.0, 1e-20, 1e-12, 1e-6, 1e-3, 1.0, 1e6])
def test_gradient_is_bounded_by_the_floor_at_every_scale(scale):
    n, d, floor = 256, 8, 0.01
    z1, z2 = (scale * z for z in gaussian_pair(n, d, 0.9, 3))
    for a, b in ((z1, z2), (z1, z1), (z1[:, :1].expand(n, d), z2)):
        a, b = a.clone().requires_grad_(), b.clone().requires_grad_()
        value = Gaussian(d, floor=floor)(a, b)
        value.backward()
        assert value.isfinite()
        for grad in (a.grad, b.grad):
            assert grad.isfinite().all() and grad.abs().max() * n * floor < 3
        if scale < 1e-3 * floor:
            assert value.abs() < 1e-3
    # the point of the floor: without it the gradient keeps growing as 1 / scale
    if 0 < scale < 1e-6:
        a, b = z1.double().requires_grad_(), z2.double()
        Gaussian(d, floor=1e-30)(a, b).backward()
        assert a.grad.abs().max() * n * floor > 1e3


def test_bias_counts_only_columns_above_the_floor():
    n, d = 400, 8
    generator = Generator().manual_seed(0)
    live = torch.ones(d)
    live[4:] = 1e-6
    values = []
    for _ in range(100):
        z1, z2 = gaussian_pair(n, d, 0.0, generator)
        values.append(Gaussian(d)(z1 * live, z2 * live))
    mean = float(torch.stack(values).mean())
    assert abs(mean) < 0.006 < 0.3 * gaussian_bias(n, d)


def test_not_a_number_is_passed_on():
    z1, z2 = gaussian_pair(100, 4, 0.5, 0)
    z1[3, 2] = float("nan")
    assert Gaussian(4)(z1, z2).isnan()
