"""A public check for anybody's mutual-information estimator."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Generator, Tensor

from mrdib_graph.estimators import MIEstimator

_DIM, _ROWS = 4, 512


def check_estimator(estimator_class: type[MIEstimator], **options: Any) -> None:
    r"""Check that an estimator keeps the contract of :class:`~mrdib_graph.estimators.MIEstimator`.

    On Gaussian codes of width 4 with correlation r a column, where
    :math:`I = -2 \log(1 - r^2)` nats: about 0 for r = 0, rising with r, and within tolerance of
    the closed form on the side that ``bound`` claims, after a short training of the critic; where
    ``in_nats`` is False only the first two, with 0 judged by the value at r = 0.8.  No
    gradient crosses from either scalar to the other side; scoring changes no state; equal
    generators give equal values; every batch of 2 or more rows, constant, tiny and duplicated
    codes, bfloat16 codes and autocast to bfloat16 give finite values and gradients.  Takes about 3
    seconds on one core.

    Args:
        estimator_class: The class to check; built as ``estimator_class(4, **options)``.
        options: Keyword arguments of the class.

    Raises:
        AssertionError: A check fails; the message says which and shows the values.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        estimator = estimator_class(_DIM, **options)
        _check_separation(estimator)
        _check_state_and_draws(estimator)
        for what, z1, z2 in _edge_cases():
            _check_finite(estimator, what, z1, z2)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            _check_finite(estimator, "autocast to bfloat16", *gaussian_pair(64, _DIM, 0.5, 1))
        weak, medium, strong = (_trained_value(estimator_class, options, r) for r in (0, 0.4, 0.8))
    _check_values(estimator_class, weak, medium, strong)


def gaussian_pair(n: int, d: int, r: float, seed: int | Generator) -> tuple[Tensor, Tensor]:
    """Standard normal codes [n, d] x 2 whose columns are correlated pairwise by r."""
    generator = Generator().manual_seed(seed) if isinstance(seed, int) else seed
    z1, noise = torch.randn(2, n, d, generator=generator)
    return z1, r * z1 + math.sqrt(1 - r * r) * noise


def gaussian_pairs(
    n: int, d: int, r: float, generator: Generator, fresh: bool = True
) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of codes without end: new ones each time, or always the first."""
    pair = gaussian_pair(n, d, r, generator)
    while True:
        yield pair
        if fresh:
            pair = gaussian_pair(n, d, r, generator)


def train_critic(
    estimator: MIEstimator,
    pairs: Iterator[tuple[Tensor, Tensor]],
    steps: int,
    learning_rate: float,
    generator: Generator,
) -> MIEstimator:
    """The estimator in eval mode, after its critic, if it has one, took steps of Adam."""
    parameters = [p for p in estimator.parameters() if p.requires_grad]
    if parameters:
        optimizer = torch.optim.Adam(parameters, lr=learning_rate)
        for _ in range(steps):
            optimizer.zero_grad()
            torch.autograd.backward(estimator.learning_loss(*next(pairs), generator))
            optimizer.step()
    return estimator.eval()


def gaussian_information(d: int, r: float) -> float:
    """Mutual information of :func:`gaussian_pair` in nats, -d log(1 - r^2) / 2."""
    return -0.5 * d * math.log1p(-r * r)


def _check_separation(estimator: MIEstimator) -> None:
    z1, z2 = (z.requires_grad_() for z in gaussian_pair(_ROWS, _DIM, 0.5, 0))
    parameters = [p for p in estimator.parameters() if p.requires_grad]
    value, loss = estimator(z1, z2), estimator.learning_loss(z1, z2)
    for name, scalar in (("forward", value), ("learning_loss", loss)):
        assert scalar.shape == (), f"{name}: shape {list(scalar.shape)}, expected a scalar"
        assert scalar.dtype == torch.float32, f"{name}: {scalar.dtype}, expected float32"
    (value + loss).backward()
    for name, z in (("z1", z1), ("z2", z2)):
        assert z.grad is not None and z.grad.any(), f"forward sends no gradient to {name}"
    assert all(p.grad is not None for p in parameters), "learning_loss leaves parameters out"
    from_value = torch.autograd.grad(estimator(z1, z2), [z1, z2, *parameters], allow_unused=True)
    assert not any(g is not None and g.any() for g in from_value[2:]), (
        "forward sends a gradient to the critic: call it with detached parameters (`frozen`)"
    )
    loss = estimator.learning_loss(z1, z2)
    if not parameters:
        assert not loss.requires_grad and loss == 0, "nothing is learned: learning_loss must be 0"
        return
    from_loss = torch.autograd.grad(loss, [z1, z2, *parameters], allow_unused=True)
    assert not any(g is not None and g.any() for g in from_loss[:2]), (
        "learning_loss sends a gradient to the codes: detach them"
    )


def _check_state_and_draws(estimator: MIEstimator) -> None:
    z1, z2 = gaussian_pair(64, _DIM, 0.5, 2)
    before = {name: value.clone() for name, value in estimator.state_dict().items()}
    first, second = (estimator(z1, z2, Generator().manual_seed(3)) for _ in range(2))
    assert first == second, f"equal generators gave {first} and {second}"
    changed = [n for n, value in estimator.state_dict().items() if not value.equal(before[n])]
    assert not changed, f"forward changed the state: {changed}"


def _edge_cases() -> Iterator[tuple[str, Tensor, Tensor]]:
    z1, z2 = gaussian_pair(64, _DIM, 0.5, 4)
    for n in (2, 3, _DIM + 1, 2 * _DIM):
        yield f"{n} rows", z1[:n], z2[:n]
    yield "zero codes", torch.zeros(64, _DIM), torch.zeros(64, _DIM)
    yield "constant codes", torch.ones(64, _DIM), z2
    yield "tiny codes", 1e-12 * z1, 1e-12 * z2
    yield "large codes", 1e4 * z1, 1e4 * z2
    yield "duplicated rows", z1[:2].repeat(32, 1), z2[:2].repeat(32, 1)
    yield "equal codes", z1, z1
    yield "bfloat16 codes", z1.bfloat16(), z2.bfloat16()


def _check_finite(estimator: MIEstimator, what: str, z1: Tensor, z2: Tensor) -> None:
    z1, z2 = z1.clone().requires_grad_(), z2.clone().requires_grad_()
    value, loss = estimator(z1, z2), estimator.learning_loss(z1, z2)
    assert value.isfinite() and loss.isfinite(), f"{what}: estimate {value}, learning loss {loss}"
    assert value.dtype == torch.float32, f"{what}: the estimate is {value.dtype}, expected float32"
    estimator.zero_grad()
    (value + loss).backward()
    learned = [p for p in estimator.parameters() if p.requires_grad]
    for tensor in (z1, z2, *learned):
        assert tensor.grad is not None and tensor.grad.isfinite().all(), f"{what}: bad gradient"


def _trained_value(cls: type[MIEstimator], options: dict[str, Any], r: float) -> float:
    estimator, generator = cls(_DIM, **options), Generator().manual_seed(5)
    pairs = gaussian_pairs(_ROWS, _DIM, r, generator)
    train_critic(estimator, pairs, 400, 5e-3, generator)
    draws = [estimator(*next(pairs), generator) for _ in range(20)]
    return float(torch.stack(draws).mean())


def _check_values(cls: type[MIEstimator], weak: float, medium: float, strong: float) -> None:
    unit, about_0 = (" nats", 0.1) if cls.in_nats else ("", 0.05 * abs(strong))
    assert abs(weak) < about_0, f"independent codes: {weak:.3g}{unit}, expected about 0"
    assert weak < medium < strong, f"not rising: {weak:.3g}, {medium:.3g}, {strong:.3g}{unit}"
    if not cls.in_nats:
        return
    for r, value in ((0.4, medium), (0.8, strong)):
        exact = gaussian_information(_DIM, r)
        slack = 0.05 + 0.05 * exact
        message = f"correlation {r}: {value:.3f} nats, closed form {exact:.3f}, bound '{cls.bound}'"
        if cls.bound != "upper":
            assert value < exact + slack, message
        if cls.bound == "lower":
            assert value > 0.5 * exact, message
        else:
            assert value > exact - slack, message
