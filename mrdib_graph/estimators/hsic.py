"""HSIC: dependence of any kind from Gaussian kernels, nothing learned, not in nats."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.estimators.mi_estimator import MIEstimator, some_rows

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
    ``2 d floor**2``, for each code by itself.  It follows the codes and sends no gradient, so the
    value does not depend on their scale, while the gradient sees :math:`\sigma` as a constant.

    The kernels are [n, n] tables, so of more than ``max_rows`` rows a random subset is read, the
    same for both codes, drawn anew in each call: O(max_rows^2 d), outside autocast.

    Note:
        For fewer than 4 rows the unbiased form is not defined, and the value is 0.

    Args:
        embedding_dim: Width d of both codes.
        max_rows: Rows that are compared at most, 4 or more.
        floor: Standard deviation below which a column counts as noise.
        normalise: Whether to divide by the largest value; False gives plain unbiased HSIC.

    Shapes:
        ``z1``, ``z2`` [n, d] with n >= 2 -> [].

    Raises:
        ConfigError: An option is out of range, or the codes have other shapes.
    """

    in_nats: ClassVar[bool] = False

    def __init__(
        self,
        embedding_dim: int,
        max_rows: int = 512,
        floor: float = 0.01,
        normalise: bool = True,
    ) -> None:
        super().__init__(embedding_dim)
        if max_rows < 4:
            raise ConfigError(f"max_rows: got {max_rows}, expected at least 4")
        if floor <= 0:
            raise ConfigError(f"floor: got {floor}, expected a standard deviation above 0")
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
            k = centred_kernel(z1, self._bandwidth(near1))
            l = centred_kernel(z2, self._bandwidth(near2))  # noqa: E741
            value = (k * l).sum() / (n * (n - 3))
            if self.normalise:
                own = [m.square().sum() / (n * (n - 3)) + SPREAD for m in (k, l)]
                value = value / (own[0] * own[1]).sqrt()
        return value

    def _bandwidth(self, z: Tensor) -> Tensor:
        """The median heuristic's sigma [], above 0."""
        median = torch.pdist(z).square().median()
        return (median + 2 * self.embedding_dim * self.floor**2).sqrt()


def centred_kernel(z: Tensor, bandwidth: Tensor) -> Tensor:
    """Gaussian kernel of all pairs without its row and column means: [n, d] -> [n, n].

    The means leave the diagonal out, which is 0 before and after.  The product of two such tables,
    summed and divided by n (n - 3), is the unbiased HSIC, and that of one with itself is never
    below 0: "Partial Distance Correlation with Methods for Dissimilarities" (Szekely and Rizzo,
    Annals of Statistics 2014).
    """
    n = len(z)
    z = (z - z.mean(0)) / bandwidth
    norm = z.square().sum(1)  # [n]
    squared = (norm[:, None] + norm - 2 * z @ z.T).clamp_min(0)  # [n, n]
    diagonal = torch.eye(n, dtype=torch.bool, device=z.device)
    # centring removes constants: the kernel less 1 keeps its digits where all rows are near
    k = torch.expm1(-0.5 * squared).masked_fill(diagonal, 0)
    means = k.sum(1) / (n - 2)  # [n]
    overall = means.sum() / (n - 1)
    return (k - means - means[:, None] + overall).masked_fill(diagonal, 0)


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
