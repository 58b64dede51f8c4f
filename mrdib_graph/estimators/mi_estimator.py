"""The base of all mutual-information estimators: two scalars, one backward pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import torch
from torch import Generator, Tensor
from torch.func import functional_call
from torch.nn import Module

from mrdib_graph.errors import ConfigError
from mrdib_graph.options import Count, checked


class MIEstimator(Module, ABC):
    r"""Estimates the mutual information :math:`I(z_1; z_2)` of two codes, in nats.

    An estimator answers with two scalars that enter one total loss:

    - :meth:`forward`: live codes, frozen critic; the encoders lower it.
    - :meth:`learning_loss`: detached codes, live critic; the critic lowers it.

    One backward pass trains both sides with one optimizer and neither gradient reaches the other
    side, so weighting the estimate by alpha leaves the critic's step as it is.  Without the split,
    a lower bound that encoders and critic lower together has no floor.

    A measure of dependence that is no information may stand here too, with :attr:`in_nats` False.

    Args:
        embedding_dim: Width d of both codes.
        first_dim: Width of ``z1`` where it is another: several codes side by side, each d wide.

    Shapes:
        ``z1``, ``z2`` [n, d] with n >= 2, row i of both from the same node -> [].

    Raises:
        ConfigError: A width is below 1, or the codes have other shapes.
    """

    bound: ClassVar[Literal["exact", "lower", "upper"]] = "exact"
    """What a well-trained estimate is on Gaussian codes: the value itself or a bound on it."""

    in_nats: ClassVar[bool] = True
    """False for a dependence on a scale of its own, of which ``bound`` says nothing: about 0 for
    independent codes and rising with the dependence."""

    @checked
    def __init__(self, embedding_dim: Count, first_dim: Count | None = None) -> None:
        super().__init__()
        self.embedding_dim = embedding_dim
        self.first_dim = embedding_dim if first_dim is None else first_dim

    @abstractmethod
    def forward(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        """Estimate [], in nats where ``in_nats``; with gradients in the codes, none in parameters.

        Args:
            z1: Codes of one modality [n, d], or of several side by side [n, first_dim].
            z2: Codes of another modality for the same nodes [n, d].
            generator: Source of the draws; None means torch's default generator.
        """

    def learning_loss(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        """Loss of the critic []; a constant 0 where nothing is learned.

        Args:
            z1: Codes of one modality [n, d]; no gradient reaches them.
            z2: Codes of another modality for the same nodes [n, d]; no gradient reaches them.
            generator: Source of the draws; None means torch's default generator.
        """
        del generator
        return self.codes(z1, z2)[0].new_zeros(())

    def codes(self, z1: Tensor, z2: Tensor) -> tuple[Tensor, Tensor]:
        """The codes in float32, or in float64 where they come in it, with their shapes checked."""
        n = z1.size(0) if z1.dim() else 0
        if n < 2 or z1.shape != (n, self.first_dim) or z2.shape != (n, self.embedding_dim):
            raise ConfigError(
                f"{type(self).__name__}: z1 has shape {list(z1.shape)} and z2 {list(z2.shape)}, "
                f"expected [n, {self.first_dim}] and [n, {self.embedding_dim}] with one n >= 2; "
                "pass codes of the same nodes in the same order"
            )
        dtype = torch.promote_types(z1.dtype, torch.float32)
        return z1.to(dtype), z2.to(dtype)


def frozen(module: Module, *args: Tensor) -> Any:
    """Call a module with its parameters as constants: gradients reach the arguments only."""
    constants = {name: value.detach() for name, value in module.named_parameters()}
    return functional_call(module, constants, args)


def some_rows(
    z1: Tensor, z2: Tensor, max_rows: int, generator: Generator | None = None
) -> tuple[Tensor, Tensor]:
    """The codes [n, d] x 2 of at most ``max_rows`` nodes, drawn without replacement.

    Args:
        z1: Codes of one modality [n, d].
        z2: Codes of another modality for the same nodes [n, d].
        max_rows: The most to keep; with n up to it all are kept in their order, without a draw.
        generator: Source of the draw; None means torch's default generator.
    """
    n = len(z1)
    if n <= max_rows:
        return z1, z2
    source = z1.device if generator is None else generator.device
    rows = torch.randperm(n, generator=generator, device=source)[:max_rows].to(z1.device)
    return z1.index_select(0, rows), z2.index_select(0, rows)


def derangement(n: int, device: torch.device, generator: Generator | None = None) -> Tensor:
    """A random cyclic permutation [n] without a fixed point, to pair each row with another's.

    Args:
        n: Number of rows, at least 2.
        device: Where the result is needed.
        generator: Source of the draw; None means torch's default generator.
    """
    source = device if generator is None else generator.device
    order = torch.randperm(n, generator=generator, device=source).to(device)
    return torch.empty_like(order).scatter_(0, order, order.roll(1))
