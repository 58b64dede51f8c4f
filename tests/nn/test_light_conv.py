"""Linear propagation against dense matrices and against PyTorch Geometric."""

import pytest
import torch
from torch_geometric.nn import LGConv

from mrdib_graph.errors import ConfigError
from mrdib_graph.nn import LightConv
from mrdib_graph.sparse import SparseMatrix


def bipartite(users: int = 6, items: int = 8):
    """Edges of a random user-item graph in both directions, and its normalised operator."""
    generator = torch.Generator().manual_seed(0)
    user, item = (torch.rand(users, items, generator=generator) < 0.4).nonzero().T
    row, col = torch.cat([user, item + users]), torch.cat([item + users, user])
    size = users + items
    degree = row.bincount(minlength=size).double()
    value = (degree[row] * degree[col]).rsqrt()
    operator = SparseMatrix.from_edges(row, col, value, (size, size), symmetric=True)
    x = torch.randn(size, 4, generator=generator, dtype=torch.float64)
    return torch.stack([row, col]), operator, x


def layers(operator: SparseMatrix, x: torch.Tensor, count: int) -> torch.Tensor:
    dense = operator.dense()
    return torch.stack([torch.linalg.matrix_power(dense, power) @ x for power in range(count + 1)])


@pytest.mark.parametrize("num_layers", [0, 1, 2, 5])
def test_readouts_equal_dense_powers(num_layers: int) -> None:
    _, operator, x = bipartite()
    expected = layers(operator, x, num_layers)
    for readout, value in (
        ("mean", expected.mean(0)),
        ("sum", expected.sum(0)),
        ("last", expected[-1]),
    ):
        torch.testing.assert_close(LightConv(num_layers, readout)(x, operator), value)


def test_gradient() -> None:
    _, operator, x = bipartite()
    for readout in ("mean", "sum", "last"):
        conv = LightConv(3, readout)
        assert torch.autograd.gradcheck(
            lambda x, conv=conv: conv(x, operator), (x.requires_grad_(),)
        )


def test_agrees_with_pyg() -> None:
    edges, operator, x = bipartite()
    conv, total, layer = LGConv(), x.float(), x.float()
    for _ in range(3):
        layer = conv(layer, edges)
        total = total + layer
    torch.testing.assert_close(LightConv(3)(x, operator).float(), total / 4)


def test_no_layer_returns_the_input() -> None:
    _, operator, x = bipartite()
    assert torch.equal(LightConv(0)(x, operator), x)


def test_options() -> None:
    assert repr(LightConv(2, "sum")) == "LightConv(num_layers=2, readout='sum')"
    with pytest.raises(ConfigError, match="num_layers: got -1"):
        LightConv(-1)
    with pytest.raises(ConfigError, match="readout: got 'max'"):
        LightConv(1, "max")  # type: ignore[arg-type]


@pytest.mark.parametrize("num_layers", [1, 3])
def test_a_directed_graph(num_layers: int) -> None:
    """Item graphs of nearest neighbours are directed: the gradient takes the transpose."""
    generator = torch.Generator().manual_seed(1)
    row, col = (torch.rand(7, 7, generator=generator) < 0.4).nonzero().T
    value = torch.rand(row.numel(), generator=generator, dtype=torch.float64)
    operator = SparseMatrix.from_edges(row, col, value, (7, 7))
    assert not torch.equal(operator.dense(), operator.dense().T)
    x = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    expected = layers(operator, x, num_layers)
    for readout, rows in (("mean", expected.mean(0)), ("last", expected[-1])):
        conv = LightConv(num_layers, readout)
        torch.testing.assert_close(conv(x, operator), rows)
        assert torch.autograd.gradcheck(
            lambda x, conv=conv: conv(x, operator), (x.clone().requires_grad_(),)
        )
