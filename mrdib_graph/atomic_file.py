"""Files and folders that are whole or absent: made under another name, renamed when complete."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mrdib_graph.errors import DataError, MRdIBError


@contextmanager
def new_file(
    path: Path, sync: bool = False, what: str = "", error: type[MRdIBError] | None = DataError
) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well.

    The folder is made where it is absent.  After any error the temporary file is gone and ``path``
    is as it was; a process that is killed leaves ``path`` as it was or complete.

    Args:
        path: The file to write or to replace.
        sync: Wait until the bytes are on the disk before renaming.
        what: What the file is, used in the message: ``'the checkpoint of 3 MB'``.
        error: What an error of the system becomes; None lets it pass.

    Raises:
        MRdIBError: ``error``, where the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if sync:
            sync_file(temporary)
        temporary.replace(path)
    except OSError as reason:
        if error is None:
            raise
        raise error(f"{path}: {what}{' ' * bool(what)}cannot be written: {reason}") from reason
    finally:
        with contextlib.suppress(OSError):  # gone after the rename; its folder may be no folder
            temporary.unlink()


def write_text(path: Path, text: str, error: type[MRdIBError] | None = DataError) -> None:
    """Write a text in UTF-8, never half of it; see :func:`new_file`."""
    with new_file(path, error=error) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object, never half of it; see :func:`new_file`."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def sync_file(path: Path) -> None:
    """Wait until the bytes of a file are on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@contextmanager
def new_folder(target: Path, failures: tuple[type[Exception], ...] = (OSError,)) -> Iterator[Path]:
    """A temporary folder beside ``target`` that takes its place when the block ends well.

    A folder that is there is replaced.  After an error the temporary folder is removed and
    ``target`` is as it was.

    Args:
        target: The folder to make or to replace.
        failures: Errors which say that the folder cannot be written.

    Raises:
        DataError: The folder cannot be written.
    """
    made, old = (
        target.with_name(f".{target.name}.{uuid.uuid4().hex}.{end}")
        for end in ("building", "replaced")
    )
    try:
        made.mkdir(parents=True)
        yield made
        if target.exists():
            target.rename(old)
        try:
            made.rename(target)
        except BaseException:
            if old.exists():
                old.rename(target)
            raise
    except failures as error:
        size = sum(path.stat().st_size for path in made.glob("*")) if made.is_dir() else 0
        raise DataError(
            f"{target}: cannot be written ({getattr(error, 'strerror', None) or error}) after "
            f"{size} bytes; it needs a folder that you may write to, with more space"
        ) from error
    finally:
        for folder in (made, old):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def only_one(target: Path) -> Iterator[None]:
    """Keep other processes from building the same folder; clear what a killed one left.

    Raises:
        DataError: Another one does, or the folder above cannot be written.
    """
    import filelock

    lock = filelock.FileLock(target.with_name(f".{target.name}.lock"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise DataError(f"{target}: another process is building it; wait for it") from error
    except OSError as error:
        raise DataError(
            f"{target.parent}: cannot be written ({error.strerror}); name a folder that you may "
            "write to"
        ) from error
    try:
        for end in ("building", "replaced"):
            for left in target.parent.glob(f".{target.name}.*.{end}"):
                shutil.rmtree(left)
        yield
    finally:
        lock.release()
