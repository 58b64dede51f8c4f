"""Ctrl-C between two steps instead of inside one."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from mrdib_graph import distributed


class Interrupt:
    """While open, the first SIGINT only sets :attr:`requested`; a second one interrupts at once.

    Outside the main thread, where signal handlers cannot be set, it does nothing.  Of several
    processes, all stop at the same :meth:`poll` once one was asked to.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: Any = None
        self._installed = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._handle)
            self._installed = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, self._previous)

    def poll(self) -> bool:
        """Whether to stop; every process calls it at the same points."""
        self.requested = distributed.any_process(self.requested)
        return self.requested

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
