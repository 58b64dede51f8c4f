"""One line that moves on a terminal; plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

_SECONDS_BETWEEN_LINES = 15.0


class Progress:
    """Shows epoch, loss, validation metric and time left.

    Args:
        total: Epochs at most.
        label: What is being trained.
        quiet: Show nothing.
    """

    def __init__(self, total: int, label: str, quiet: bool = False) -> None:
        self.total = total
        self.label = label
        self.quiet = quiet
        self._bar: Any = None
        self._last_line = time.monotonic()
        if not quiet and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, desc=label, unit="epoch", leave=False)

    def update(self, epoch: int, loss: float, monitor: str, value: float, best: float) -> None:
        """Tell one finished epoch, counted from 0."""
        if self.quiet:
            return
        text = f"loss {loss:.4f}, validation {monitor} {value:.4f} (best {best:.4f})"
        if self._bar is not None:
            self._bar.n = epoch + 1
            self._bar.set_postfix_str(text)
        elif time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            print(f"{self.label}: epoch {epoch + 1} of at most {self.total}, {text}", flush=True)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
