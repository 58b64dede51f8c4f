"""One layer of MMGCN against its equation, row by row."""

import pytest
import torch
from torch import Tensor

from mrdib_graph.nn import MMGCNLayer


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.01 * x)


def made(first: bool = False) -> MMGCNLayer:
    torch.manual_seed(0)
    return MMGCNLayer(6, 4, first=first).double()


def test_equals_the_equation_in_values_and_gradients() -> None:
    layer = made()
    x, mean, ids = (torch.randn(9, d, dtype=torch.float64) for d in (6, 6, 4))
    out = layer(x, layer.neighbor(mean), ids)
    rows = []
    for x_n, mean_n, id_n in zip(x, mean, ids, strict=True):
        a = leaky(layer.neighbor.weight @ mean_n)
        s = leaky(layer.own.weight @ x_n + layer.own.bias) + id_n
        rows.append(leaky(layer.combine.weight @ torch.cat([a, s]) + layer.combine.bias))
    expected = torch.stack(rows)
    torch.testing.assert_close(out, expected)
    weights = list(layer.parameters())
    upstream = torch.randn_like(out)
    mine = torch.autograd.grad(out, weights, upstream)
    theirs = torch.autograd.grad(expected, weights, upstream)
    assert len(weights) == 5
    torch.testing.assert_close(mine, theirs)


def test_the_map_may_come_before_or_after_the_means() -> None:
    layer, x = made(), torch.randn(9, 6, dtype=torch.float64)
    means = torch.rand(5, 9, dtype=torch.float64)
    torch.testing.assert_close(means @ layer.neighbor(x), layer.neighbor(means @ x))


def test_arguments_are_left_as_they_are() -> None:
    layer = made()
    x, seen, ids = (torch.randn(9, d, dtype=torch.float64) for d in (6, 6, 4))
    before = [t.clone() for t in (x, seen, ids)]
    layer(x, seen, ids)
    assert all(map(torch.equal, before, (x, seen, ids)))


@pytest.mark.parametrize("first", [True, False])
def test_start(first: bool) -> None:
    torch.manual_seed(0)
    layer = MMGCNLayer(300, 200, first=first)
    for linear, fan in ((layer.neighbor, 600), (layer.own, 500)):
        assert float(linear.weight.detach().std()) == pytest.approx((2 / fan) ** 0.5, rel=0.02)
    std = (2 / 700) ** 0.5 if first else 500**-0.5 / 3**0.5  # normal, or uniform of 1 / sqrt(fan)
    assert float(layer.combine.weight.detach().std()) == pytest.approx(std, rel=0.02)
    assert bool(layer.combine.weight.abs().max() > 500**-0.5) is first
