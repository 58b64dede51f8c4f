"""A module in eval mode for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch.nn import Module


@contextmanager
def eval_mode(module: Module) -> Iterator[None]:
    """Eval mode inside, whatever mode the module was in after it, also where an error ends it."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)
