"""The filter in the frequency domain, against numpy's transform and the closed forms."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from mrdib_graph.nn import SpectralFilter


def made(width: int, pass_all: bool = False) -> SpectralFilter:
    torch.manual_seed(0)
    layer = SpectralFilter(width).double()
    if pass_all:
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([1.0, 0.0]).expand_as(layer.weight))
    return layer


def rows(width: int, count: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(5, width, generator=generator, dtype=torch.float64) for _ in range(count)]


@pytest.mark.parametrize("width", [1, 2, 7, 8, 64])
def test_all_ones_give_the_rows_back(width: int) -> None:
    (x,) = rows(width)
    torch.testing.assert_close(made(width, pass_all=True)([x]), x)


@pytest.mark.parametrize("width", [7, 8])
def test_all_ones_give_the_circular_convolution_of_two(width: int) -> None:
    a, b = rows(width, 2)
    expected = torch.zeros_like(a)
    for t in range(width):
        for s in range(width):
            expected[:, t] += a[:, s] * b[:, (t - s) % width]
    y = made(width, pass_all=True)([a, b])
    torch.testing.assert_close(y, expected / math.sqrt(width))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("width", [7, 8])
def test_equals_numpy(count: int, width: int) -> None:
    layer, x = made(width), rows(width, count)
    weight = layer.weight.detach().numpy()
    product = weight[:, 0] + 1j * weight[:, 1]
    for x_m in x:
        product = product * np.fft.rfft(x_m.numpy(), norm="ortho")
    expected = torch.from_numpy(np.fft.irfft(product, n=width, norm="ortho"))
    torch.testing.assert_close(layer(x).detach(), expected)


def test_a_missing_row_is_left_out_of_the_product() -> None:
    layer, (a, b) = made(8), rows(8, 2)
    present = torch.tensor([True, True, False, True, False])
    y = layer([a, b], [torch.ones(5, dtype=torch.bool), present])
    torch.testing.assert_close(y[present], layer([a, b])[present])
    torch.testing.assert_close(y[~present], layer([a])[~present])


def test_starts_standard_normal_and_has_gradients() -> None:
    torch.manual_seed(0)
    layer = SpectralFilter(4096)
    assert layer.weight.shape == (2049, 2)
    assert layer.weight.mean(0).abs().max() < 0.1 and (layer.weight.std(0) - 1).abs().max() < 0.1
    small, (x,) = made(7), rows(7)
    assert torch.autograd.gradcheck(lambda x, w: _filtered(small, x, w), (x, small.weight))


def _filtered(layer: SpectralFilter, x: Tensor, weight: Tensor) -> Tensor:
    y: Tensor = torch.func.functional_call(layer, {"weight": weight}, ([x.requires_grad_()],))
    return y
