"""Raw files of a data set: found among local copies, or downloaded, and always with a checksum."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from mrdib_graph.atomic_file import write_text
from mrdib_graph.datasets.files.fetch_options import FetchOptions
from mrdib_graph.datasets.files.resumed_download import download_resumed
from mrdib_graph.datasets.files.web_page import public_address
from mrdib_graph.errors import DataError
from mrdib_graph.features.digests import file_digest

logger = logging.getLogger(__name__)


class RawFile(NamedTuple):
    """A file by its path below the public address, and its published SHA-256 where known."""

    path: str
    checksum: str | None = None

    @property
    def name(self) -> str:
        """The file's own name."""
        return PurePosixPath(self.path).name


class LocalFile(NamedTuple):
    """A raw file on disk and where it came from."""

    path: Path
    source: str
    size: int
    checksum: str
    published: str | None
    downloaded: bool

    def record(self) -> dict[str, str | int | bool | None]:
        """What a data set's provenance keeps of it."""
        return {
            "file": self.path.name,
            "source": self.source,
            "size": self.size,
            "sha256": self.checksum,
            "published_sha256": self.published,
            "is_published": None if self.published is None else self.checksum == self.published,
        }


class DamagedFileError(DataError):
    """A raw file is cut short or corrupt; ``path`` says which."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


def obtain(
    raw: RawFile, folder: Path, addresses: Sequence[str], options: FetchOptions
) -> LocalFile:
    """The raw file on disk, downloaded into ``folder`` where it is not there yet.

    Args:
        raw: What to look for.
        folder: Where downloads are kept.
        addresses: Public addresses, tried in order where the options name no mirror.
        options: Local copies, mirrors, checks.

    Raises:
        DataError: It cannot be found or downloaded, or has another checksum than published or than
            at its download.
    """
    if options.local is not None:
        path = _local(raw, options.local, addresses[0])
        return _checked(raw, path, str(path.resolve()), False, options)
    path, note = folder / raw.name, folder / f"{raw.name}.source.json"
    if not path.is_file():
        url = _download(raw, path, options.mirrors or addresses, options)
        write_text(note, json.dumps({"source": url, "sha256": file_digest(path)}, indent=2))
    try:
        kept = json.loads(note.read_text(encoding="utf-8"))
        source, before = str(kept["source"]), str(kept["sha256"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        source, before = str(path.resolve()), None  # put there by hand
    found = _checked(raw, path, source, True, options)
    if before not in (None, found.checksum):
        raise DataError(
            f"{path}: sha256 is {found.checksum}, and was {before} when it was downloaded from "
            f"{source}; delete it and fetch it again"
        )
    return found


def _local(raw: RawFile, folder: Path, address: str) -> Path:
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; expected copies of the raw files")
    for path in (folder / raw.name, folder / raw.path):
        if path.is_file():
            return path
    raise DataError(
        f"{folder / raw.name}: not found, nor {folder / raw.path}; with local copies nothing is "
        f"downloaded: get it from {address.rstrip('/')}/{raw.path}"
    )


def _download(raw: RawFile, path: Path, bases: Sequence[str], options: FetchOptions) -> str:
    errors = []
    for base in bases:
        url = f"{base.rstrip('/')}/{raw.path}"
        logger.info("downloading %s", public_address(url))
        try:
            download_resumed(url, path, None if options.any_checksum else raw.checksum, options)
            return public_address(url)
        except DataError as error:
            errors.append(error)
            logger.info("%s", error)
    if len(errors) == 1:
        raise errors[0]
    raise DataError("; ".join(map(str, errors)))


def _checked(
    raw: RawFile, path: Path, source: str, downloaded: bool, options: FetchOptions
) -> LocalFile:
    checksum = file_digest(path)
    if raw.checksum not in (None, checksum):
        if not options.any_checksum:
            raise DataError(
                f"{path}: sha256 is {checksum}, published is {raw.checksum}; get the file again, "
                "or accept another version with any_checksum (--any-checksum)"
            )
        logger.warning("%s: not the published version; sha256 is %s", path, checksum)
    return LocalFile(path, source, path.stat().st_size, checksum, raw.checksum, downloaded)
