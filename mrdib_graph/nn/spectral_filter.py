"""A learned filter in the frequency domain of the embedding width."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Module, Parameter


class SpectralFilter(Module):
    r"""Filter rows, or the product of several modalities' rows, in the frequency domain, from
    `"Spectrum-based Modality Representation Fusion Graph Convolutional Network for Multimodal
    Recommendation" <https://arxiv.org/abs/2412.14978>`_.

    .. math::
        y = \mathcal{F}^{-1}\Big(c \odot \prod_m \mathcal{F}(x_m)\Big)

    with the orthonormal real Fourier transform over the width and a learned complex filter c that
    starts with standard normal real and imaginary parts.  c = 1 gives one modality back, and for
    two their circular convolution over :math:`\sqrt d`.

    Args:
        embedding_dim: d.

    Shapes:
        ``x`` M times [n, d], M at least 1, and ``masks`` M times [n] bool or None -> [n, d].
    """

    def __init__(self, embedding_dim: int) -> None:
        super().__init__()
        self.embedding_dim = embedding_dim
        self.weight = Parameter(torch.randn(embedding_dim // 2 + 1, 2))  # real, imaginary

    def forward(self, x: Sequence[Tensor], masks: Sequence[Tensor] | None = None) -> Tensor:
        """Filter the product; a row that ``masks`` says is missing is left out of it."""
        product = torch.view_as_complex(self.weight)
        for position, x_m in enumerate(x):
            spectrum = torch.fft.rfft(x_m, norm="ortho")
            if masks is not None:
                spectrum = spectrum.where(masks[position].unsqueeze(1), 1.0)
            product = product * spectrum
        rows: Tensor = torch.fft.irfft(product, n=self.embedding_dim, norm="ortho")
        return rows

    def extra_repr(self) -> str:
        """Options shown by ``print``."""
        return f"embedding_dim={self.embedding_dim}"
