"""A folder that is whole or absent: built under another name and renamed when complete."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mrdib_graph.errors import DataError


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside ``target`` that takes its place when the block ends well.

    A folder that is there is replaced.  After an error the temporary folder is removed and
    ``target`` is as it was; what a killed process left is removed by the next one.

    Raises:
        DataError: The folder cannot be written.
    """
    made = target.with_name(f".{target.name}.building")
    old = target.with_name(f".{target.name}.replaced")
    try:
        _clear(made, old)
        made.mkdir(parents=True)
        yield made
        if target.exists():
            target.rename(old)
        made.rename(target)
    except OSError as error:
        needed = sum(path.stat().st_size for path in made.glob("*")) if made.is_dir() else 0
        raise DataError(
            f"{target}: cannot be written ({error.strerror}) after {needed} bytes; it needs a "
            "folder that you may write to, with more space"
        ) from error
    finally:
        _clear(made, old)


@contextmanager
def only_one(target: Path) -> Iterator[None]:
    """Keep other processes from building the same folder.

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
        yield
    finally:
        lock.release()


def _clear(*folders: Path) -> None:
    for folder in folders:
        if folder.is_dir():
            shutil.rmtree(folder)
