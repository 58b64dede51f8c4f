import signal
import threading

import pytest

from mrdib_graph.training.interrupt import Interrupt


def test_the_first_signal_only_asks():
    with Interrupt() as interrupt:
        assert not interrupt.requested
        signal.raise_signal(signal.SIGINT)
        assert interrupt.requested


def test_the_second_signal_interrupts_at_once():
    reached = False
    with pytest.raises(KeyboardInterrupt), Interrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        reached = interrupt.requested
        signal.raise_signal(signal.SIGINT)
        reached = False
    assert reached


@pytest.mark.parametrize("error", [None, ValueError])
def test_the_previous_handler_comes_back(error):
    def mine(number, frame):
        del number, frame

    before = signal.signal(signal.SIGINT, mine)
    try:
        if error is None:
            with Interrupt():
                assert signal.getsignal(signal.SIGINT) is not mine
        else:
            with pytest.raises(error), Interrupt():
                raise error
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


def test_after_it_closes_ctrl_c_is_python_s_own_again():
    # a shell without job control starts what it puts in the background with SIGINT ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Interrupt():
            pass
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_outside_the_main_thread_it_does_nothing():
    before, seen = signal.getsignal(signal.SIGINT), []

    def run():
        with Interrupt() as interrupt:
            seen.append((signal.getsignal(signal.SIGINT), interrupt.requested))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(before, False)]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_poll_of_one_process_answers_for_itself():
    with Interrupt() as interrupt:
        assert not interrupt.poll()
        signal.raise_signal(signal.SIGINT)
        assert interrupt.poll() and interrupt.requested
