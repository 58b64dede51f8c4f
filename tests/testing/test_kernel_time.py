"""The time inside kernels, by a clock of the test's own."""

import torch

from mrdib_graph.testing.kernel_time import KernelTime


def test_kernels_are_timed_and_nothing_else() -> None:
    ticks = iter(range(100))
    watch = KernelTime(lambda: float(next(ticks)))
    weight = torch.randn(3, 3, requires_grad=True)

    def step() -> None:
        torch.autograd.backward((torch.randn(2, 3) @ weight).exp().sum())

    run = watch.watch(step)
    run()
    run()
    # one product forward, one backward, since the left factor needs no gradient
    assert watch.seconds == [2.0, 2.0]
