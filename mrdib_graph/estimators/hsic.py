"""HSIC: dependence of any kind from Gaussian kernels, nothing learned, not in nats."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Generator, Tensor

from mrdib_graph.estimators.mi_estimator import MIEstimator, some_rows
from mrdib_graph.options import Count, Positive, checked

BANDWIDTH_ROWS = 128
"""Rows whose distances the bandwidth is the median of: 8,128 pairs."""

SPREAD = 1e-6
"""Added to both kernels' own HSIC, so that codes far below the floor count as constant."""


class HSIC(MIEstimator):
    r"""Hilbert-Schmidt independence criterion of two codes; **a dependence, not nats**.

    From "Measuring Statistical Dependence with Hilbert-Schmidt Norms" (Gretton et al., ALT 2005),
    in the unbiased form of "Feature Selection via Dependence Maximization" (Song et al., JMLR
    2012): with Gaussian kernels :math:`k, l` and their matrices :math:`\tilde K, \tilde L` over the
    rows, diagonals set to 0,

    .. math::
        \mathrm{HSIC}(K, L) = \frac{1}{n (n - 3)} \Big[ \mathrm{tr}(\tilde K \tilde L)
            + \frac{1^\top \tilde K 1 \; 1^\top \tilde L 1}{(n - 1)(n - 2)}
            - \frac{2}{n - 2} 1^\top \tilde K \tilde L 1 \Big], \qquad
        k(a, b) = e^{-\|a - b\|^2 / 2 \sigma^2}

    Its mean over draws is 0 for independent codes, whatever n is, and above 0 for every kind of
    dependence, not only linear.  The value of plain HSIC falls with the width of the codes; so by
    default it is divided by its largest value, which makes it the centred kernel alignment
    :math:`\mathrm{HSIC}(K, L) / \sqrt{\mathrm{HSIC}(K, K) \, \mathrm{HSIC}(L, L)}`, in [-1, 1]
    and 1 for equal codes.  Neither form is information: there is no bound, and a weight that fits
    another estimator does not fit this one.

    :math:`\sigma^2` is the median squared distance of at most 128 random rows plus
    ``2 d floor**2``, for each code by itself.  It follows the codes, so the value does not depend
    on their scale above the floor, and sends no gradient, so the gradient takes :math:`\sigma` for
    a constant.  Up to half of plain HSIC's gradient then points at smaller codes, which lowers
    nothing; next to nothing of the normalised form's points at another scale.

    The kernels are [n, n] tables, so of more than ``max_rows`` rows a random subset is read, the
    same for both codes, drawn anew in each call: O(max_rows^2 d), outside autocast.

    Note:
        For fewer than 4 rows the unbiased form is not defined, and the value is 0.

    Args:
        embedding_dim: Width d of both codes.
        max_rows: Rows that are compared at most, 4 or more.
        floor: Standard deviation below which a column counts as noise.
        normalise: Whether to divide by the largest value; False gives plain unbiased HSIC.
        first_dim: Width of ``z1`` where it is another.

    Shapes:
        ``z1``, ``z2`` [n, d] with n >= 2 -> [].

    Raises:
        ConfigError: An option is out of range, or the codes have other shapes.
    """

    in_nats: ClassVar[bool] = False

    @checked
    def __init__(
        self,
        embedding_dim: Count,
        max_rows: Annotated[int, Ge(4)] = 512,
        floor: Positive = 0.01,
        normalise: bool = True,
        first_dim: Count | None = None,
    ) -> None:
        super().__init__(embedding_dim, first_dim)
        self.max_rows = max_rows
        self.floor = floor
        self.normalise = normalise

    def forward(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        """The dependence []; draws only where the rows exceed ``max_rows`` or 128."""
        z1, z2 = some_rows(*self.codes(z1, z2), self.max_rows, generator)
        n = len(z1)
        if n < 4:
            return 0.0 * (z1.sum() + z2.sum())
        near1, near2 = some_rows(z1.detach(), z2.detach(), BANDWIDTH_ROWS, generator)
        with torch.autocast(z1.device.type, enabled=False):
            k = hollow_kernel(z1, self._bandwidth(near1))
            l = hollow_kernel(z2, self._bandwidth(near2))  # noqa: E741
            value = unbiased_hsic(k, l)
            if self.normalise:
                own = (unbiased_hsic(k, k) + SPREAD) * (unbiased_hsic(l, l) + SPREAD)
                value = value / own.sqrt()
        return value

    def _bandwidth(self, z: Tensor) -> Tensor:
        """The median heuristic's sigma [], above 0."""
        median = torch.pdist(z).square().median()
        return (median + 2 * z.size(1) * self.floor**2).sqrt()


def hollow_kernel(z: Tensor, bandwidth: Tensor) -> Tensor:
    """Gaussian kernel of all pairs less 1, so 0 on the diagonal: [n, d] -> [n, n].

    A constant off the diagonal drops out of :func:`unbiased_hsic`.  Without the 1 the kernel keeps
    its digits where all rows are near each other.
    """
    z = (z - z.mean(0)) / bandwidth
    half = 0.5 * z.square().sum(1)  # [n]
    # rounding can make a distance negative: far rows would overflow
    exponent = (torch.addmm(-half, z, z.T) - half[:, None]).clamp_max(0)
    return exponent.expm1()


def unbiased_hsic(k: Tensor, l: Tensor) -> Tensor:  # noqa: E741
    """The estimate of Song et al. from two symmetric tables with diagonal 0: [n, n] x 2 -> []."""
    n = len(k)
    rows1, rows2 = k.sum(1), l.sum(1)  # [n]
    trace = k.flatten() @ l.flatten()
    totals = rows1.sum() * rows2.sum() / ((n - 1) * (n - 2))
    return (trace + totals - 2 / (n - 2) * (rows1 @ rows2)) / (n * (n - 3))


def gaussian_hsic(d: int, r: float, bandwidth: float) -> float:
    r"""Plain HSIC of standard normal codes of width d whose columns are correlated pairwise by r.

    With :math:`s = \sigma^2` for both codes, from Gaussian integrals:

    .. math::
        \Big(\big(1 + \tfrac{2}{s}\big)^2 - \tfrac{4 r^2}{s^2}\Big)^{-d/2}
        + \Big(1 + \tfrac{2}{s}\Big)^{-d}
        - 2 \Big(\tfrac{(s + 2)^2 - r^2}{s^2}\Big)^{-d/2}
    """
    s = bandwidth**2
    joint = ((1 + 2 / s) ** 2 - 4 * r * r / (s * s)) ** (-d / 2)
    product = (1 + 2 / s) ** -d
    crossed = (((s + 2) ** 2 - r * r) / (s * s)) ** (-d / 2)
    return float(joint + product - 2 * crossed)
