"""One file from the network: checked, under a temporary name until it is complete."""

from __future__ import annotations

import logging
from pathlib import Path

from mrdib_graph.datasets.files.web_page import is_web_page
from mrdib_graph.errors import DataError
from mrdib_graph.features.digests import file_digest

logger = logging.getLogger(__name__)


def sha256(path: str | Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    return file_digest(Path(path))


def verify(path: str | Path, checksum: str, advice: str) -> None:
    """Compare a file with its checksum.

    Raises:
        DataError: They differ; the message has both sums.
    """
    found = sha256(path)
    if found != checksum:
        raise DataError(f"{path}: sha256 is {found}, expected {checksum}; {advice}")


def download(url: str, path: str | Path, checksum: str, size: int, timeout: float = 30.0) -> None:
    """Fetch ``url`` into ``path``.

    Args:
        url: The address.
        path: Where the file goes; it appears there only when it is complete and right.
        checksum: Its SHA-256.
        size: Its size in bytes, named when the folder cannot hold it.
        timeout: Seconds without an answer after which the download fails.

    Raises:
        DataError: The address does not answer, sends a web page or other bytes, or the folder
            cannot be written.  Nothing is kept.
    """
    import pooch
    import requests

    path = Path(path)

    def fetch(url: str, target: str, _: object) -> None:
        pooch.HTTPDownloader(timeout=timeout, chunk_size=2**16)(url, target, None)
        with Path(target).open("rb") as file:
            start = file.read(64)
        if is_web_page(start):
            raise DataError(
                f"{url}: sent a web page instead of {path.name}; open the address in a browser to "
                "see why, nothing was kept"
            )
        verify(target, checksum, f"downloaded from {url}; nothing was kept, try again")

    logger.info("downloading %s", url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(url, checksum, path.name, path.parent, downloader=fetch)
    except requests.RequestException as error:
        raise DataError(
            f"{url}: cannot be downloaded: {error}; nothing was kept, check the address and the "
            "network and try again"
        ) from error
    except OSError as error:
        raise unwritable(path, size, error) from error


def unwritable(path: Path, size: int, error: OSError) -> DataError:
    """The error for a file of ``size`` bytes that its folder does not take."""
    return DataError(
        f"{path}: cannot be written ({error.strerror}); it needs {size} bytes in a folder that you "
        "may write to"
    )
