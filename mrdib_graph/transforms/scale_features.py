"""Feature scaling: columns z-scored, rows of norm 1, where modalities differ in scale."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.options import checked
from mrdib_graph.transforms.drop_derived import drop_feature_derived
from mrdib_graph.transforms.large_table import new_table
from mrdib_graph.transforms.row_blocks import row_blocks

logger = logging.getLogger(__name__)

ScaleMode = Literal["auto", "always", "never"]
SCALED = "columns z-scored, rows of norm 1"

MAX_NORM_RATIO = 10.0
"""Largest ratio of the modalities' median row norms that ``'auto'`` leaves alone."""
MAX_MEAN_COSINE = 0.9
"""Largest mean cosine of two rows of a modality that ``'auto'`` leaves alone."""
CONSTANT = 1e-6
"""A column is near-constant up to this deviation, relative to its mean or the median column."""


class ScaleFeatures(BaseTransform):  # type: ignore[misc]
    r"""Z-scores each feature column and gives each row norm 1, for every modality.

    .. math::
        \hat x_{ij} = \frac{x_{ij} - \mu_j}{\sigma_j}, \qquad
        x'_i = \frac{\hat x_i}{\lVert \hat x_i \rVert_2}

    with :math:`\mu_j, \sigma_j` over the modality's rows that are not all zero.  An all-zero row
    stays zero; a near-constant column becomes zero.  Raw features of 8-bit codes beside unit rows
    differ by three orders of magnitude in one linear layer.

    Args:
        mode: ``'always'``; ``'never'``; or ``'auto'``: all modalities are scaled when their median
            row norms differ by more than ``MAX_NORM_RATIO``, or the mean cosine of two rows of a
            modality is above ``MAX_MEAN_COSINE``.

    Shapes:
        ``data[m].x`` [n_m, d_m] -> the same, float32.  Unscaled features are not touched, so
        mapped files stay on disk; scaled ones of 512 MiB or more go to a file of their own, see
        :mod:`mrdib_graph.transforms.large_table`.

    What was done is recorded as the string ``data.feature_scaling``.

    Raises:
        ConfigError: The mode is unknown.
    """

    @checked
    def __init__(self, mode: ScaleMode = "auto") -> None:
        self.mode = mode

    def forward(self, data: HeteroData) -> HeteroData:
        """Scale where the mode asks for it."""
        names = graph.modalities(data)
        reason = "always" if self.mode == "always" else scale_problem(data)
        if self.mode == "never" and reason:
            logger.warning("features are not scaled (scale='never') although %s", reason)
        if self.mode == "never" or not reason or not names:
            data.feature_scaling = data.get("feature_scaling", "none")
            return data
        for modality in names:
            data[modality].x = scale_rows(data[modality].x)
        data.feature_scaling = f"{SCALED} ({reason})"
        drop_feature_derived(data)
        return data

    def __repr__(self) -> str:
        return f"ScaleFeatures(mode={self.mode!r})"


def scale_problem(data: HeteroData) -> str:
    """Why the modalities need scaling, in words; empty where they do not."""
    norms = {}
    for modality in graph.modalities(data):
        norm, cosine = row_statistics(data[modality].x)
        if cosine > MAX_MEAN_COSINE:
            return f"rows of {modality} have mean cosine {cosine:.3f}"
        if norm > 0:
            norms[modality] = norm
    low, high, ratio = norm_ratio(norms)
    if ratio <= MAX_NORM_RATIO:
        return ""
    return f"row norms of {high} are {ratio:.0f} times those of {low}"


def norm_ratio(norms: Mapping[str, float]) -> tuple[str, str, float]:
    """The modalities of the least and the largest norm, and how many times larger that is."""
    if not norms:
        return "", "", 1.0
    low, high = min(norms, key=norms.__getitem__), max(norms, key=norms.__getitem__)
    return low, high, norms[high] / norms[low]


def row_statistics(x: Tensor) -> tuple[float, float]:
    r"""Median row norm and mean cosine of two different rows of ``x`` [n, d], zero rows left out.

    The mean needs no pairs: :math:`(\lVert \sum_i u_i \rVert^2 - n) / (n (n - 1))` over unit rows.
    """
    norms, total = [], torch.zeros(x.size(1), dtype=torch.float64, device=x.device)
    for rows in row_blocks(x):
        block = x[rows].double()
        norm = block.norm(dim=1)
        used = norm > 0
        norms.append(norm[used])
        total += (block[used] / norm[used].unsqueeze(1)).sum(0)
    norm = torch.cat(norms)
    n = norm.numel()
    if n == 0:
        return 0.0, 0.0
    cosine = (float(total.square().sum()) - n) / (n * (n - 1)) if n > 1 else 0.0
    return float(norm.median()), cosine


def column_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [d] (float64) of the columns over rows that are not all zero."""
    mean = torch.zeros(x.size(1), dtype=torch.float64, device=x.device)
    square, n = torch.zeros_like(mean), 0
    for rows in row_blocks(x):
        block = x[rows].double()
        n += int((block != 0).any(1).sum())
        mean += block.sum(0)
    mean /= max(n, 1)
    for rows in row_blocks(x):
        block = x[rows].double()
        used = (block != 0).any(1, keepdim=True)
        square += ((block - mean) * used).square().sum(0)
    return mean, (square / max(n, 1)).sqrt()


def near_constant(mean: Tensor, deviation: Tensor) -> Tensor:
    """Which columns [d] hold nothing but rounding: dividing by their deviation would blow it up."""
    alive = deviation > CONSTANT**2 * deviation.max()  # so many dead columns cannot be typical
    typical = deviation[alive].median() if bool(alive.any()) else deviation.max()
    scale = torch.maximum(mean.abs(), typical.expand_as(mean))
    return deviation <= CONSTANT * scale


def scale_rows(x: Tensor) -> Tensor:
    """Columns z-scored and rows of norm 1, as a new float32 tensor [n, d], block by block."""
    mean, deviation = column_statistics(x)
    constant = near_constant(mean, deviation)
    inverse = torch.where(constant, 0.0, 1 / deviation.masked_fill(constant, 1.0))
    out = new_table(x.shape, x.device)
    for rows in row_blocks(x):
        block = x[rows].double()
        used = (block != 0).any(1, keepdim=True)
        block = (block - mean) * inverse * used
        norm = block.norm(dim=1, keepdim=True)
        out[rows] = (block / norm.masked_fill(norm == 0, 1.0)).float()
    return out
