"""How raw files are obtained: from the network, from a mirror, or from local copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mrdib_graph.errors import ConfigError
from mrdib_graph.options import Count, NonNegative, Positive, checked


@checked
@dataclass(frozen=True)
class FetchOptions:
    """Options of every data set's ``fetch``.

    Args:
        local: A folder with copies of the raw files, used where they lie; nothing is downloaded.
        mirrors: Addresses that replace the public one, tried in order; below each, files have the
            same relative paths as at the public address.
        any_checksum: Accept files whose checksum or counts are not the published ones.  What was
            found is recorded.
        timeout: Seconds without a byte after which a transfer counts as interrupted.
        attempts: How often in a row a transfer may fail without a new byte.
        wait: Seconds before the second attempt; doubled for each further one.

    Raises:
        ConfigError: An option is out of range, or both a folder and mirrors are given.
    """

    local: Path | None = None
    mirrors: Sequence[str] = ()
    any_checksum: bool = False
    timeout: Positive = 30.0
    attempts: Count = 5
    wait: NonNegative = 1.0

    def __post_init__(self) -> None:
        if self.local is not None and self.mirrors:
            raise ConfigError(
                "local files and mirrors: got both; with local copies nothing is downloaded, so "
                "give one of them"
            )
        for mirror in self.mirrors:
            if urlsplit(mirror).scheme not in ("http", "https") or not urlsplit(mirror).netloc:
                raise ConfigError(f"mirror: got {mirror!r}, expected an address http(s)://...")
