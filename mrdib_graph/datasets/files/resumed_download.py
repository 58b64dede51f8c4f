"""One large file from the network, continued where an earlier transfer stopped."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mrdib_graph.datasets.files.checksum import verify
from mrdib_graph.datasets.files.fetch_options import FetchOptions
from mrdib_graph.datasets.files.web_page import is_web_page, public_address
from mrdib_graph.errors import DataError

if TYPE_CHECKING:
    import requests

logger = logging.getLogger(__name__)

_CHUNK = 2**18
_BUSY = (408, 425, 429, 500, 502, 503, 504)


class _InterruptedTransfer(Exception):
    """The transfer stopped early, and another attempt may go on."""


class _Part(NamedTuple):
    """What an unfinished transfer left: its bytes, and a note of which version they belong to."""

    data: Path
    note: Path

    def size(self) -> int:
        return self.data.stat().st_size if self.data.exists() else 0

    def drop(self) -> None:
        self.data.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def read_note(self, url: str) -> tuple[str, int | None]:
        """Validator and full size of the version that the bytes belong to; '' where unknown."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            if note["url"] == url and self.size():
                return str(note["validator"]), note["total"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            logger.debug("%s: no transfer to continue", self.data)
        return "", None


def download_resumed(
    url: str, path: str | Path, checksum: str | None, options: FetchOptions
) -> None:
    """Fetch ``url`` into ``path``, going on from ``<path>.part`` where the server allows it.

    A transfer goes on only within the same version of the file: the request carries the ``ETag`` or
    ``Last-Modified`` of the bytes that are there (``If-Range``), and a server that has neither, or
    does not answer with a range, sends the file from its first byte again.

    Args:
        url: The address.
        path: Where the file goes; it appears there only when it is complete and right.
        checksum: Its published SHA-256, where known.
        options: Timeout, attempts and waiting time.

    Raises:
        DataError: The address refuses, sends a web page, stays interrupted after all attempts (the
            part is kept for the next call), or the bytes have another checksum (nothing is kept).
    """
    import requests
    import urllib3

    path, shown = Path(path), public_address(url)
    part = _Part(path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.part.json"))
    failures = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            before = part.size()
            try:
                _transfer(url, part, path.name, options.timeout)
                break
            except (
                requests.ConnectionError,
                requests.Timeout,
                urllib3.exceptions.HTTPError,
                _InterruptedTransfer,
            ) as error:
                failures = 1 if part.size() > before else failures + 1
                kept = part.size()
                if failures >= options.attempts:
                    raise DataError(
                        f"{shown}: the transfer was interrupted: {_reason(error, url)}; {kept} "
                        f"bytes are kept in {part.data}: run the same command again to go on"
                    ) from error
                logger.warning("%s: interrupted after %d bytes: %s", shown, kept, type(error))
                time.sleep(options.wait * 2 ** (failures - 1))
            except requests.RequestException as error:
                raise DataError(
                    f"{shown}: cannot be downloaded: {_reason(error, url)}; check the address"
                ) from error
        _finish(part, path, checksum, shown)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror}); it needs "
            f"{part.read_note(url)[1] or part.size()} bytes in a folder that you may write to"
        ) from error


def _transfer(url: str, part: _Part, name: str, timeout: float) -> None:
    """One request; returns when ``part`` holds the whole file."""
    import requests

    validator, total = part.read_note(url)
    have = part.size() if validator else 0
    if have and have == total:
        return
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
        logger.info("%s: going on from byte %d", public_address(url), have)
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
        _check_status(response, part, url)
        if response.status_code == 206:
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers["Content-Range"])
            if not found or int(found[1]) != have or total not in (None, int(found[2])):
                part.drop()
                raise _InterruptedTransfer("the server sent another range than it was asked for")
        else:
            have, total = 0, _length(response)
            if total is not None:
                _check_space(part.data, total)
            part.drop()
            note = {"url": url, "validator": _validator(response), "total": total}
            part.note.write_text(json.dumps(note), encoding="utf-8")
        _copy(response, part, name, have, total)
    if total is not None and part.size() != total:
        raise _InterruptedTransfer(f"{part.size()} bytes came, {total} were announced")


def _check_status(response: requests.Response, part: _Part, url: str) -> None:
    status = response.status_code
    if status == 416:  # what is there does not fit what the server has now
        part.drop()
        raise _InterruptedTransfer("the file has changed on the server")
    if status in _BUSY:
        raise _InterruptedTransfer(f"status {status} {response.reason}")
    if status not in (200, 206) or (status == 206 and "Content-Range" not in response.headers):
        raise DataError(
            f"{public_address(url)}: cannot be downloaded: status {status} {response.reason}; "
            "check the address, or name a mirror or a folder with copies"
        )
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity" and not url.endswith(".gz"):
        raise DataError(
            f"{public_address(url)}: sent with Content-Encoding {encoding}, although plain bytes "
            "were asked for; use another mirror"
        )


def _copy(
    response: requests.Response, part: _Part, name: str, have: int, total: int | None
) -> None:
    """Append the body to the part, as sent: a .gz file stays compressed."""
    from tqdm import tqdm

    is_page = "text/html" in response.headers.get("Content-Type", "").lower()
    bar = tqdm(
        desc=name, total=total, initial=have, unit="B", unit_scale=True, disable=None, leave=False
    )
    with bar, part.data.open("ab") as file:
        for chunk in response.raw.stream(_CHUNK, decode_content=False):
            if not have and not file.tell() and (is_page or is_web_page(chunk)):
                file.close()
                part.drop()
                raise DataError(
                    f"{public_address(response.url)}: sent a web page instead of {name}; open the "
                    "address in a browser to see why, nothing was kept"
                )
            file.write(chunk)
            bar.update(len(chunk))


def _finish(part: _Part, path: Path, checksum: str | None, shown: str) -> None:
    if not part.size():
        part.drop()
        raise DataError(f"{shown}: sent an empty file; nothing was kept, try again")
    if checksum is not None:
        try:
            verify(part.data, checksum, f"downloaded from {shown}; nothing was kept, try again")
        except DataError:
            part.drop()
            raise
    with part.data.open("rb") as file:
        os.fsync(file.fileno())
    part.data.replace(path)
    part.note.unlink(missing_ok=True)


def _validator(response: requests.Response) -> str:
    """What If-Range can carry: a strong ETag, or the time of the last change."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _length(response: requests.Response) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdecimal() else None


def _check_space(path: Path, size: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise DataError(f"{path}: needs {size} bytes, and {free} are free in {path.parent}")


def _reason(error: Exception, url: str) -> str:
    return str(error).replace(url, public_address(url)) or type(error).__name__
