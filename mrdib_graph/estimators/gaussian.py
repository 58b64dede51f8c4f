"""The closed form for Gaussian codes: canonical correlations, nothing learned."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Generator, Tensor

from mrdib_graph.estimators.gaussian_plug_in import plug_in
from mrdib_graph.estimators.mi_estimator import MIEstimator, derangement
from mrdib_graph.options import Count, Positive, checked


class Gaussian(MIEstimator):
    r"""The mutual information of jointly Gaussian codes from their sample covariances, in nats.

    .. math::
        I(z_1; z_2) = -\tfrac12 \log\det\big(1 - R R^\top\big), \qquad
        R = C_{11}^{-1/2} C_{12} C_{22}^{-1/2}

    The singular values of R are the canonical correlations, so the value does not change under
    invertible linear maps of either code; it sees linear dependence only.  For other distributions
    it is the value of the Gaussian with the same covariances.

    A value without scale has a gradient that grows as the codes shrink.  So
    ``ridge * (mean variance) + floor**2`` is added to every variance: on codes far below ``floor``
    the estimate and its gradient go to 0 instead of exploding, with a gradient of order
    1 / (n ``floor``) a row at most; the relative part keeps nearly collapsed columns well
    conditioned.  Codes should be some ten times larger than ``floor``.

    The plug-in value is too high by :func:`gaussian_bias`, exactly so for Gaussian codes whatever
    their covariance; it is subtracted (scaled to the columns that rise above the floor), which does
    not change the gradient, and makes values below 0 possible.  With n - 1 < 4 d rows the
    covariances are shrunk to the independent, isotropic case by the weight 1 - (n - 1) / (4 d), and
    the bias is read off randomly re-paired rows instead; for a wider ``z1``, twice the sum of the
    widths stands for 4 d, and floor, ridge and shrinkage act on each d columns by themselves.

    The products over rows run in the type of the codes (at least float32), the d x d part in
    float64, both outside autocast: O(n d^2 + d^3).

    Args:
        embedding_dim: Width d of both codes.
        floor: Standard deviation below which a column counts as noise.
        ridge: Share of a code's mean variance that is added to every variance; below 1e-5 pass
            float64 codes.
        correct_bias: Whether to subtract the finite-sample bias.
        first_dim: Width of ``z1`` where it is another.

    Shapes:
        ``z1``, ``z2`` [n, d] with n >= 2 -> [].

    Raises:
        ConfigError: An option is out of range, or the codes have other shapes.
    """

    @checked
    def __init__(
        self,
        embedding_dim: Count,
        floor: Positive = 0.01,
        ridge: Positive = 1e-4,
        correct_bias: bool = True,
        first_dim: Count | None = None,
    ) -> None:
        super().__init__(embedding_dim, first_dim)
        self.floor = floor
        self.ridge = ridge
        self.correct_bias = correct_bias

    def forward(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        """The closed form less its bias []; draws only where n - 1 < 4 d."""
        z1, z2 = self.codes(z1, z2)
        n = len(z1)
        with torch.autocast(z1.device.type, enabled=False):
            value, columns = self._plug_in(z1, z2)
            if self.correct_bias and n - 1 >= self._enough:
                value = value - gaussian_bias(n, self.embedding_dim, self.first_dim) * columns
            elif self.correct_bias:
                other = derangement(n, z1.device, generator)
                value = value - self._plug_in(z1.detach(), z2.detach()[other])[0]
        return value.to(z1.dtype)

    @property
    def _enough(self) -> int:
        """Rows less 1 from which nothing is shrunk."""
        return 2 * (self.first_dim + self.embedding_dim)

    def _plug_in(self, z1: Tensor, z2: Tensor) -> tuple[Tensor, Tensor]:
        """The value without correction [] and the share of column pairs above the floor []."""
        keep = min(1.0, (len(z1) - 1) / self._enough)
        return plug_in(z1, z2, keep, self.ridge, self.floor)


@lru_cache(maxsize=64)
def gaussian_bias(n: int, d: int, first_dim: int | None = None) -> float:
    r"""What n draws of Gaussian codes of width d add to the plug-in estimate on average, in nats.

    With :math:`\nu = n - 1`, the first code's width p, d by default, and the digamma function
    :math:`\psi`, from the mean log-determinant of a Wishart matrix, for :math:`\nu \ge p + d`:

    .. math::
        \tfrac12 \sum_{i=1}^{d} \psi\big(\tfrac{\nu - i + 1}{2}\big)
            - \psi\big(\tfrac{\nu - p - i + 1}{2}\big)
    """
    p = d if first_dim is None else first_dim
    nu = n - torch.arange(1, d + 1, dtype=torch.float64)  # [d]: nu - i + 1
    return float(0.5 * (torch.digamma(nu / 2) - torch.digamma((nu - p) / 2)).sum())
