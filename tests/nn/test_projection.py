"""Projection of all rows and of the rows of a batch."""

import pytest
import torch

from mrdib_graph.nn import Projection


@pytest.mark.parametrize("count", [3, 9, 20])
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
