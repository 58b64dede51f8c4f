"""Files that are what they should be: compared with a published SHA-256."""

from __future__ import annotations

from pathlib import Path

from mrdib_graph.errors import DataError
from mrdib_graph.features.digests import file_digest


def verify(path: Path, checksum: str, advice: str) -> None:
    """Compare a file with its checksum.

    Raises:
        DataError: They differ; the message has both sums.
    """
    found = file_digest(path)
    if found != checksum:
        raise DataError(f"{path}: sha256 is {found}, expected {checksum}; {advice}")
