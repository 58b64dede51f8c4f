"""Events that wait for a tracking server, in memory and as JSON lines on disk."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mrdib_graph.atomic_file import write_text
from mrdib_graph.errors import DataError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Event:
    """One thing that a tracker was told.

    An event carries the time at which it happened and a key for its run, never what the server
    answered, so delivering it twice leaves the server as delivering it once.

    Args:
        op: What happened: ``'start'``, ``'metrics'``, ...
        run: Key of the run, made by the tracker.
        time: Milliseconds since 1970.
        body: The values, as JSON.
        file: A file or folder that goes along; a relative path is inside the outbox.
    """

    op: str
    run: str
    time: int
    body: dict[str, Any] = field(default_factory=dict)
    file: str | None = None


class Outbox:
    """A queue of events that survives the process.

    ``events.jsonl`` holds one header line (which server, which experiment) and one line an event;
    files that belong to events are copied to ``files/``; ``rejected.jsonl`` holds the events that
    the server will never take.  The folder exists only while there is something to keep.

    Args:
        folder: Folder of this outbox, used by nobody else.
        header: Kept with the events, so that they can be replayed by another process.
    """

    def __init__(self, folder: Path, header: Mapping[str, str | None]) -> None:
        self.folder = folder
        self.header = dict(header)
        self.events: list[Event] = []
        self._copies = 0
        self._complete = True

    @property
    def file(self) -> Path:
        """The JSON lines."""
        return self.folder / "events.jsonl"

    @property
    def rejected_file(self) -> Path:
        """JSON lines with the events that the server refused and the reasons."""
        return self.folder / "rejected.jsonl"

    def path_of(self, event: Event) -> Path | None:
        """Where the file of an event lies now."""
        return None if event.file is None else self.folder / event.file

    def append(self, event: Event) -> None:
        """Keep an event.

        Raises:
            OSError: The disk does not take it; the event is kept in memory all the same.
        """
        self.events.append(event)
        complete, self._complete = self._complete, False
        if event.file is not None:
            self.events[-1] = replace(event, file=self._copy(Path(event.file), "files"))
        if complete and self.file.exists():
            with self.file.open("a", encoding="utf-8") as out:
                out.write(_line(self.events[-1]))
        else:
            self._rewrite()
        self._complete = True

    def replace(self, events: list[Event]) -> None:
        """Keep only these of the events.

        Raises:
            OSError: The disk does not take it.
        """
        dropped = {e.file for e in self.events if e.file} - {e.file for e in events if e.file}
        self.events = list(events)
        self._complete = False
        self._rewrite()
        self._complete = True
        for name in dropped:
            if not Path(name).is_absolute():
                shutil.rmtree((self.folder / name).parent, ignore_errors=True)
        if not events:
            shutil.rmtree(self.folder / "files", ignore_errors=True)
            if self.folder.exists() and not any(self.folder.iterdir()):
                self.folder.rmdir()

    def reject(self, event: Event, reason: str) -> None:
        """Set an event aside that no repetition would bring through.

        Raises:
            OSError: The disk does not take it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.path_of(event)
        if path is not None and path.exists():
            event = replace(event, file=self._copy(path, "rejected"))
        with self.rejected_file.open("a", encoding="utf-8") as out:
            out.write(json.dumps({**asdict(event), "reason": reason}, default=str) + "\n")

    @classmethod
    def load(cls, path: Path) -> Outbox:
        """Read an outbox that another process left.

        Args:
            path: The folder, or the ``events.jsonl`` inside.

        Raises:
            DataError: There is no such file, or a line of it is not an event.
        """
        file = path / "events.jsonl" if path.is_dir() else path
        if not file.is_file():
            raise DataError(f"{file}: no such file; expected the events.jsonl of an outbox")
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        if not lines:
            raise DataError(f"{file}: the file is empty; expected a header line and events")
        if not lines[-1].endswith("\n"):
            logger.warning("%s: the last line was cut off while it was written", file)
            lines.pop()
        outbox = cls(file.parent, {})
        for number, line in enumerate(lines, start=1):
            try:
                values = json.loads(line)
                if number == 1:
                    outbox.header = dict(values)
                else:
                    outbox.events.append(Event(**values))
            except (ValueError, TypeError) as error:
                raise DataError(f"{file}, line {number}: not an event: {error}") from error
        taken = [int(entry.name) for entry in file.parent.glob("[fr]*/[0-9]*")]
        outbox._copies = max(taken, default=-1) + 1
        return outbox

    def _copy(self, source: Path, folder: str) -> str:
        name = f"{folder}/{self._copies}/{source.name}"
        self._copies += 1
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
        return name

    def _rewrite(self) -> None:
        if not self.events:
            self.file.unlink(missing_ok=True)
            return
        lines = [json.dumps(self.header) + "\n", *map(_line, self.events)]
        write_text(self.file, "".join(lines), error=None)


def _line(event: Event) -> str:
    return json.dumps(asdict(event), default=str) + "\n"
