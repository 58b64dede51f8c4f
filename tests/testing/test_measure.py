"""Timings by a clock of the test's own, and a process of its own."""

import os

import pytest
import torch

from mrdib_graph.testing.measure import Timer, peak_resident, run_apart


def test_the_timer_alternates_and_drops_the_first_call() -> None:
    calls: list[str] = []
    now = iter([0.0, 9.0, 1.0, 3.0, 4.0, 5.0, 6.0, 10.0, 11.0, 12.0])

    timer = Timer("wall", 2)
    timer.clock = lambda: next(now)
    # the warm-up asks the clock once per function, each repeat twice
    seconds = timer(lambda: calls.append("a"), lambda: calls.append("b"))
    assert calls == ["a", "b"] * 3
    assert seconds == [pytest.approx((2.0 + 4.0) / 2), pytest.approx(1.0)]


def test_the_timer_stops_when_its_time_is_spent() -> None:
    calls: list[str] = []
    timer = Timer("wall", 9, seconds=0.0)
    assert timer(lambda: calls.append("a"))[0] >= 0
    assert calls == ["a", "a"]  # the warm-up and the one that is always timed


def test_the_peak_is_that_of_this_process():
    block = torch.ones(80 * 2**18)  # 80 MB
    peak = peak_resident()
    assert peak > 80 and block.numel()
    del block
    assert peak_resident() > peak - 20


@pytest.mark.slow
def test_a_function_runs_in_a_process_of_its_own():
    assert run_apart(os.getpid) != os.getpid()
    assert run_apart(torch.get_num_threads) == torch.get_num_threads()
    with pytest.raises(RuntimeError, match="allocate"):
        run_apart(torch.ones, 2**29, limit_gb=1)
