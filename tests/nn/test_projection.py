"""Projection of all rows and of the rows of a batch."""

import pytest
import torch

from mrdib_graph.nn import Projection, projection
from mrdib_graph.testing.largest_tensor import LargestTensor


@pytest.fixture(params=[12, 2**19])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of two rows of five, and one block for everything."""
    monkeypatch.setitem(projection._BLOCK_VALUES, "cpu", request.param)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("count", [0, 3, 8, 9, 20])  # gathered below 9, read off the whole from 9
@pytest.mark.parametrize("bias", [True, False])
def test_rows_and_gradients_are_those_of_the_full_projection(count: int, bias: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(9, 5, generator=generator)
    index = torch.randint(9, (count,), generator=generator)
    weight = torch.randn(count, 4, generator=generator)
    projection = Projection(5, 4, bias)
    full = projection(x)
    linear = projection.linear
    expected = x @ linear.weight.T + (linear.bias if bias else 0.0)
    torch.testing.assert_close(full, expected)
    wanted = torch.autograd.grad((full[index] * weight).sum(), list(projection.parameters()))
    rows = projection(x, index)
    torch.testing.assert_close(rows, full[index])
    grads = torch.autograd.grad((rows * weight).sum(), list(projection.parameters()))
    for grad, other in zip(grads, wanted, strict=True):
        torch.testing.assert_close(grad, other)


def test_bias_is_optional() -> None:
    assert [name for name, _ in Projection(3, 2, bias=False).named_parameters()] == [
        "linear.weight"
    ]


@pytest.mark.parametrize("index", [None, torch.tensor([1, 0]), torch.tensor([1, 0, 2, 2])])
def test_features_of_lower_precision_are_widened(index: torch.Tensor | None) -> None:
    x = torch.randn(3, 5).bfloat16()
    projection = Projection(5, 4)
    out = projection(x, index)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, projection(x.float(), index))


def test_trained_features_move_as_a_trained_copy_of_them_would() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 5, generator=generator)
    index, target = torch.tensor([0, 2, 2]), torch.randn(3, 4, generator=generator)
    projection = Projection(5, 4, trained_rows=6)
    copy = torch.nn.Parameter(x.clone())
    linear = torch.nn.Linear(5, 4)
    linear.load_state_dict(projection.linear.state_dict())
    ours = torch.optim.Adam(projection.parameters(), lr=0.1)
    theirs = torch.optim.Adam([copy, *linear.parameters()], lr=0.1)
    for _ in range(5):
        for optimizer, out in ((ours, projection(x, index)), (theirs, linear(copy)[index])):
            optimizer.zero_grad()
            torch.autograd.backward((out - target).square().sum())
            optimizer.step()
    assert projection.delta is not None and bool(projection.delta[0].any())
    torch.testing.assert_close(x + projection.delta, copy)
    torch.testing.assert_close(projection(x), linear(copy))


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("index", [None, torch.tensor([1, 0]), torch.tensor([1, 0, 2, 2])])
def test_the_gradient_of_lower_precision_features_is_that_of_the_widened(
    index: torch.Tensor | None,
) -> None:
    x = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)).bfloat16()
    projection = Projection(5, 4)
    low, wide = (
        torch.autograd.grad(projection(y, index).square().sum(), list(projection.parameters()))
        for y in (x, x.float())
    )
    for grad, other in zip(low, wide, strict=True):
        assert grad.dtype == torch.float32
        torch.testing.assert_close(grad, other)


@pytest.mark.parametrize("index", [None, torch.arange(0, 90, 2)])
def test_autocast_rounds_both_factors_and_gives_the_type_of_the_weights(
    index: torch.Tensor | None,
) -> None:
    generator = torch.Generator().manual_seed(0)
    x, projection = torch.randn(90, 64, generator=generator), Projection(64, 4, bias=False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = projection(x, index)
    assert low.dtype == torch.float32
    weight = projection.linear.weight
    rows = x if index is None else x[index]
    rounded = (rows.bfloat16().float() @ weight.bfloat16().float().T).bfloat16().float()
    torch.testing.assert_close(low, rounded, atol=0.01, rtol=2**-7)
    wanted = torch.randn(len(rows), 4, generator=generator)
    (grad,) = torch.autograd.grad((low * wanted).sum(), [weight])
    (full,) = torch.autograd.grad((projection(x, index) * wanted).sum(), [weight])
    assert grad.dtype == torch.float32 and not torch.equal(grad, full)
    assert float((grad - full).norm() / full.norm()) < 0.01


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_more_than_a_block_of_the_rows_is_copied(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(projection._BLOCK_VALUES, "cpu", 800)
    x, module = torch.randn(200, 100).to(dtype), Projection(100, 4)
    with LargestTensor() as largest:
        torch.autograd.backward(module(x, torch.arange(150)).sum())
    assert largest.num_values == 800


def test_a_gradient_reaches_features_that_ask_for_one() -> None:
    x = torch.randn(6, 5, requires_grad=True)
    module, index = Projection(5, 4), torch.tensor([4, 1])
    torch.autograd.backward(module(x, index).sum())
    expected = torch.zeros(6, 5)
    expected[index] = module.linear.weight.detach().sum(0)
    torch.testing.assert_close(x.grad, expected)
