import math
from itertools import permutations

import pytest
import torch
from torch import Generator, Tensor

from mrdib_graph.estimators import HSIC
from mrdib_graph.estimators.hsic import SPREAD, gaussian_hsic, hollow_kernel, unbiased_hsic
from mrdib_graph.testing.estimators import gaussian_pair


def seed(value: int) -> Generator:
    return Generator().manual_seed(value)


def kernel_loop(z: Tensor, floor: float) -> list[list[float]]:
    """Gaussian kernel with the median heuristic, diagonal 0, entry by entry."""
    n, d = z.shape
    squared = [[float((z[i] - z[j]).square().sum()) for j in range(n)] for i in range(n)]
    pairs = sorted(squared[i][j] for i in range(n) for j in range(i))
    variance = pairs[(len(pairs) - 1) // 2] + 2 * d * floor**2
    return [
        [0.0 if i == j else math.exp(-squared[i][j] / (2 * variance)) for j in range(n)]
        for i in range(n)
    ]


def song(k: list[list[float]], l: list[list[float]]) -> float:  # noqa: E741
    """The unbiased estimate as written in Song et al., with sums for the matrix products."""
    n = len(k)
    every = range(n)
    trace = sum(k[i][j] * l[j][i] for i in every for j in every)
    totals = sum(map(sum, k)) * sum(map(sum, l))
    through = sum(k[i][j] * l[j][m] for i in every for j in every for m in every)
    return (trace + totals / ((n - 1) * (n - 2)) - 2 * through / (n - 2)) / (n * (n - 3))


@pytest.mark.parametrize("n", [4, 5, 16])
def test_equals_the_formula_of_song_in_loops(n):
    z1, z2 = (3 * z.double() + 1 for z in gaussian_pair(n, 3, 0.7, 0))
    k, l = kernel_loop(z1, 0.1), kernel_loop(z2, 0.1)  # noqa: E741
    plain = HSIC(3, floor=0.1, normalise=False)(z1, z2)
    assert float(plain) == pytest.approx(song(k, l), abs=1e-12)
    own = (song(k, k) + SPREAD) * (song(l, l) + SPREAD)
    assert float(HSIC(3, floor=0.1)(z1, z2)) == pytest.approx(song(k, l) / own**0.5, abs=1e-9)


def test_equals_the_mean_over_all_quadruples_of_rows():
    """It is a U-statistic: over 4 distinct rows, k_ij l_ij + k_ij l_qr - 2 k_ij l_iq."""
    n = 7
    z1, z2 = (z.double() for z in gaussian_pair(n, 2, 0.7, 1))
    k, l = kernel_loop(z1, 0.01), kernel_loop(z2, 0.01)  # noqa: E741
    terms = [
        k[i][j] * (l[i][j] + l[q][r] - 2 * l[i][q]) for i, j, q, r in permutations(range(n), 4)
    ]
    expected = sum(terms) / len(terms)
    assert float(HSIC(2, normalise=False)(z1, z2)) == pytest.approx(expected, abs=1e-12)


def population_bandwidth(d: int) -> float:
    """Distances of standard normal rows are 2 chi-squared with d degrees of freedom."""
    from scipy.stats import chi2

    return math.sqrt(2 * chi2.ppf(0.5, d))


@pytest.mark.parametrize("r", [0.0, 0.5, 1.0])
def test_closed_form_is_the_integral_over_gaussian_pairs(r):
    """The three expectations of Gretton et al., by drawing 400,000 pairs of pairs."""
    bandwidth, d = 1.3, 2
    x, y = (z.double() for z in gaussian_pair(1_200_000, d, r, 0))
    (x1, x2, _), (y1, y2, y3) = x.chunk(3), y.chunk(3)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (-(a - b).square().sum(1) / (2 * bandwidth**2)).exp()

    # all three in one mean over independent triples, so that its error can be told
    k, l = kernel(x1, x2), kernel(y1, y2)  # noqa: E741
    values = k * l + k.mean() * l.mean() - 2 * k * kernel(y1, y3)
    error = float(values.std()) / math.sqrt(len(values))
    assert abs(float(values.mean()) - gaussian_hsic(d, r, bandwidth)) < 5 * error < 0.004
    assert (gaussian_hsic(d, r, bandwidth) < 1e-12) == (r == 0)


@pytest.mark.parametrize("d", [2, 8, 64])
@pytest.mark.parametrize("r", [0.0, 0.3, 0.8])
def test_closed_form_on_correlated_gaussians(d, r):
    generator, bandwidth = seed(0), population_bandwidth(d)
    for normalise in (True, False):
        estimator = HSIC(d, normalise=normalise)
        values = torch.stack(
            [estimator(*gaussian_pair(256, d, r, generator), generator) for _ in range(150)]
        )
        largest = gaussian_hsic(d, 1, bandwidth)
        expected = gaussian_hsic(d, r, bandwidth) / (largest if normalise else 1)
        error = float(values.std()) / math.sqrt(len(values))
        slack = 0.01 * (1 if normalise else largest)  # the bandwidth is itself an estimate
        assert abs(float(values.mean()) - expected) < 4 * error + slack
        assert r == 0 or expected > 4 * slack


@pytest.mark.parametrize("n", [4, 6, 20])
def test_no_bias_on_independent_codes_however_few(n):
    generator, estimator = seed(0), HSIC(3, normalise=False)
    values = torch.stack([estimator(*gaussian_pair(n, 3, 0.0, generator)) for _ in range(3000)])
    error = float(values.std()) / math.sqrt(len(values))
    assert abs(float(values.mean())) < 4 * error
    # the biased estimate, trace(KHLH) / (n - 1)^2, is far above 0 at these sizes
    z1, z2 = (z.double() for z in gaussian_pair(n, 3, 0.0, generator))
    h = torch.eye(n).double() - 1 / n
    k, l = (torch.tensor(kernel_loop(z, 0.01)).double() + torch.eye(n) for z in (z1, z2))  # noqa: E741
    assert float((k @ h @ l @ h).trace()) / (n - 1) ** 2 > 10 * error


def test_sees_dependence_without_correlation():
    angle = 2 * math.pi * torch.rand(512, generator=seed(0))
    z1, z2 = angle.cos()[:, None], angle.sin()[:, None]
    assert abs(float(torch.corrcoef(torch.cat([z1, z2], 1).T)[0, 1])) < 0.1
    shuffled = z2[torch.randperm(512, generator=seed(1))]
    assert HSIC(1)(z1, z2, seed(0)) > 20 * HSIC(1)(z1, shuffled, seed(0)).abs()


def test_equal_codes_give_one_and_none_gives_more():
    z1, z2 = gaussian_pair(100, 4, 0.9, 0)
    assert float(HSIC(4)(z1, z1)) == pytest.approx(1.0, abs=1e-3)
    assert float(HSIC(4)(z1, 5 * z1)) == pytest.approx(1.0, abs=1e-3)
    assert HSIC(4)(z1, z2) < 1


def test_symmetric_and_the_same_at_every_scale_above_the_floor():
    z1, z2 = gaussian_pair(100, 4, 0.5, 0)
    for normalise in (True, False):
        estimator = HSIC(4, normalise=normalise)
        torch.testing.assert_close(estimator(z1, z2), estimator(z2, z1))
        torch.testing.assert_close(estimator(1e3 * z1, z2), estimator(z1, z2), rtol=2e-3, atol=0)


@pytest.mark.parametrize("n", [2, 3])
def test_too_few_rows_give_0_and_no_gradient(n):
    z1, z2 = (z.requires_grad_() for z in gaussian_pair(n, 4, 0.5, 0))
    value = HSIC(4)(z1, z2)
    value.backward()
    assert value == 0 and not z1.grad.any() and not z2.grad.any()


def test_gradient_takes_the_bandwidth_for_a_constant():
    z1, z2 = (z.double().requires_grad_() for z in gaussian_pair(12, 3, 0.5, 2))
    estimator = HSIC(3, normalise=False)
    sigma = [estimator._bandwidth(z.detach()) for z in (z1, z2)]

    def fixed(a: Tensor, b: Tensor) -> Tensor:
        return unbiased_hsic(hollow_kernel(a, sigma[0]), hollow_kernel(b, sigma[1]))

    assert torch.autograd.gradcheck(fixed, (z1, z2))
    expected = torch.autograd.grad(fixed(z1, z2), (z1, z2))
    got = torch.autograd.grad(estimator(z1, z2), (z1, z2))
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("d", [4, 64])
def test_only_the_plain_form_pulls_at_the_scale(d):
    """Share of the gradient that points along the codes themselves."""
    shares = []
    for normalise in (True, False):
        z1, z2 = gaussian_pair(256, d, 0.8, 0)
        z1.requires_grad_()
        HSIC(d, normalise=normalise)(z1, z2, seed(0)).backward()
        along = (z1 * z1.grad).sum() / (z1.norm() * z1.grad.norm())
        shares.append(along.item())
    assert abs(shares[0]) < 0.1
    assert shares[1] > 0.25


@pytest.mark.parametrize("scale", [0.0, 1e-20, 1e-12, 1e-6, 1e-4, 1e-3, 1.0, 1e6])
def test_gradient_is_bounded_by_the_floor_at_every_scale(scale):
    n, d, floor = 128, 8, 0.01
    z1, z2 = (scale * z for z in gaussian_pair(n, d, 0.9, 3))
    for a, b in ((z1, z2), (z1, z1), (z1[:, :1].expand(n, d), z2), (z1[:1].expand(n, d), z2)):
        a, b = a.clone().requires_grad_(), b.clone().requires_grad_()
        value = HSIC(d, floor=floor)(a, b)
        value.backward()
        assert value.isfinite()
        for grad in (a.grad, b.grad):
            assert grad.isfinite().all() and grad.abs().max() * n * floor < 30
        if scale <= 1e-3 * floor:
            assert value.abs() < 1e-3


def test_kernel_keeps_its_digits_where_all_rows_are_near():
    """exp(-x) of x near 1e-10 is 1 in float32."""
    z, other = gaussian_pair(40, 3, 0.5, 0)
    near = hollow_kernel(1e-5 * z, torch.tensor(1.0))
    exact = hollow_kernel(1e-5 * z.double(), torch.tensor(1.0).double())
    assert exact.min() > -1e-8
    torch.testing.assert_close(near.double(), exact, rtol=0, atol=-1e-3 * float(exact.min()))
    l = hollow_kernel(other, torch.tensor(1.0))  # noqa: E741
    expected = unbiased_hsic(exact, l.double())
    torch.testing.assert_close(unbiased_hsic(near, l).double(), expected, rtol=1e-2, atol=0)


def test_one_row_far_from_all_does_not_overflow():
    z1, z2 = gaussian_pair(60, 4, 0.5, 0)
    z1[7] = z1[8] = 1e9
    z1.requires_grad_()
    value = HSIC(4)(z1, z2)
    value.backward()
    assert value.isfinite() and value.abs() <= 1 and z1.grad.isfinite().all()


def test_rows_beyond_the_limits_are_drawn():
    z1, z2 = gaussian_pair(300, 4, 0.9, 0)
    estimator = HSIC(4, max_rows=100)
    z1.requires_grad_()
    z2.requires_grad_()
    value = estimator(z1, z2, seed(1))
    value.backward()
    rows = z1.grad.any(1)
    assert rows.sum() == 100 and torch.equal(rows, z2.grad.any(1))
    kept = torch.randperm(300, generator=seed(1))[:100]
    torch.testing.assert_close(value, estimator(z1[kept], z2[kept]))
    whole = HSIC(4)  # 300 rows are compared, 128 make the bandwidth
    assert whole(z1, z2, seed(1)) == whole(z1, z2, seed(1)) != whole(z1, z2, seed(2))


def test_memory_is_that_of_the_rows_read():
    """An [n, n] table of 300,000 rows would need 360 GB."""
    with torch.no_grad():
        assert HSIC(2)(*gaussian_pair(300_000, 2, 0.5, 0)).isfinite()


def test_not_a_number_is_passed_on():
    z1, z2 = gaussian_pair(100, 4, 0.5, 0)
    z1[3, 2] = float("nan")
    assert HSIC(4)(z1, z2).isnan()
    assert HSIC(4)(z1[2:5], z2[2:5]).isnan()
