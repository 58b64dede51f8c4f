"""What a training step spends inside the kernels that its equations call for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

KERNELS = frozenset(
    f"aten::{name}"
    for name in (
        "mm addmm addmm_ bmm baddbmm baddbmm_ "  # dense products
        "_sparse_mm_reduce_impl sparse_sampled_addmm _sparse_addmm _sparse_mm "  # sparse ones
        "_fft_r2c _fft_c2c _fft_c2r "
        "_fused_adam_"
    ).split()
)
"""Products, FFT and Adam.  Gathers, scatters, norms and activations are not among them."""


class KernelTime(TorchDispatchMode):
    """Seconds that each call of a function spends inside :data:`KERNELS`, backward included.

    Kernels are timed where they run: kept and run again alone they would need the memory of every
    operand at once.  Watching takes time itself, so a call under watch is not timed as a whole.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.clock = clock
        self.seconds: list[float] = []

    def watch(self, function: Callable[[], None]) -> Callable[[], None]:
        """The function, which then adds an entry to ``seconds`` in each call."""

        def run() -> None:
            self.seconds.append(0.0)
            with self:
                function()

        return run

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run an operator, and time it if it is a kernel."""
        del types
        if func._schema.name not in KERNELS:
            return func(*args, **(kwargs or {}))
        started = self.clock()
        result = func(*args, **(kwargs or {}))
        self.seconds[-1] += self.clock() - started
        return result
