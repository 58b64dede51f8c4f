"""Hand events to a server; keep them while it is away and replay them in order."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from mrdib_graph.errors import MRdIBError
from mrdib_graph.tracking.outbox import Event, Outbox

logger = logging.getLogger(__name__)

FIRST_PAUSE = 1.0
"""Seconds until a server that failed is tried again; doubled with each failure."""

LONGEST_PAUSE = 300.0
"""Bound of the pause, seconds."""

PAUSE_PER_WAIT = 20.0
"""A pause is at least this many times as long as the failing call took: waiting costs below 5 %."""


class RejectedError(MRdIBError):
    """The server answered that it will never take this event."""


class Delivery:
    """Send events in order, through an outbox while the server is away.

    Nothing is raised for a server that fails: the first failure is a warning, and the events are
    kept and sent again at the next call after a pause.  Sending must leave the same result when it
    is repeated, since a call may fail after the server did its part.

    Args:
        apply: Sends one event and the path of its file; raises :class:`RejectedError` where
            sending again is of no use, any other exception where it may help.
        outbox: Where events wait.
        where: The server, as named in messages.
        clock: Seconds, rising.
    """

    def __init__(
        self,
        apply: Callable[[Event, Path | None], None],
        outbox: Outbox,
        where: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._apply = apply
        self._outbox = outbox
        self._where = where
        self._clock = clock
        self._retry_at = 0.0
        self._pause = FIRST_PAUSE
        self._warned: set[str] = set()

    def send(self, event: Event) -> None:
        """Send an event, or keep it when the server is away or earlier events wait."""
        if self._outbox.events and self._clock() >= self._retry_at:
            self.flush()
        try:
            if self._must_wait(event) or not self._deliver(event):
                self._on_disk(lambda: self._outbox.append(event))
        except BaseException:  # Ctrl-C in the middle of a call: nobody knows whether it arrived
            self._on_disk(lambda: self._outbox.append(event))
            raise

    def flush(self) -> bool:
        """Send what waits, in order; whether everything is gone.

        Files that do not get through (an artifact store may fail alone) do not hold up the rest.
        """
        waiting = list(self._outbox.events)
        left: list[Event] = []
        for position, event in enumerate(waiting):
            if event.file is not None and left:
                left.append(event)
            elif not self._deliver(event):
                left.append(event)
                if event.file is None:
                    left += waiting[position + 1 :]
                    break
        if len(left) < len(waiting):
            self._on_disk(lambda: self._outbox.replace(left))
        if waiting and not left:
            logger.info("tracking: %s is back; %d events were replayed", self._where, len(waiting))
            self._pause = FIRST_PAUSE
        return not left

    def _must_wait(self, event: Event) -> bool:
        waiting = self._outbox.events
        return any(e.file is None for e in waiting) or (event.file is not None and bool(waiting))

    def _deliver(self, event: Event) -> bool:
        started = self._clock()
        try:
            self._apply(event, self._outbox.path_of(event))
        except RejectedError as error:
            reason = str(error)
            self._on_disk(lambda: self._outbox.reject(event, reason))
            self._warn_once(
                f"rejected {event.op}",
                f"{self._where} refused '{event.op}' ({reason}); refused events are kept in "
                f"{self._outbox.rejected_file}",
            )
        except Exception as error:
            now = self._clock()
            self._retry_at = now + max(self._pause, PAUSE_PER_WAIT * (now - started))
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._warn_once(
                "away",
                f"{self._where} does not take events ({_short(error)}); the run goes on, events "
                f"are kept in {self._outbox.file} and replayed when it is back",
            )
            return False
        return True

    def _on_disk(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            self._warn_once(
                "disk",
                f"{self._outbox.folder} cannot be written ({error}); events that wait are kept in "
                "memory and lost if the server is not back before the end",
            )

    def _warn_once(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            logger.warning("tracking: %s", message)


def _short(error: Exception) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= 300 else text[:299] + "\u2026"
