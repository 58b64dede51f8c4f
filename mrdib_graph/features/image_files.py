"""Image files that are read, or refused by name."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from mrdib_graph.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from PIL.Image import Image


def check_image(path: Path) -> bytes:
    """The bytes of a file that begins as an image does.

    Raises:
        DataError: The file is absent, cannot be read, or is no image.
    """
    data = _read(path)
    _open(path, data)
    return data


def open_image(path: Path) -> Image:
    """The image in RGB; of several frames the first, transparency dropped.

    Raises:
        DataError: As for :func:`check_image`, or the file is damaged further on.
    """
    image = _open(path, _read(path))
    try:
        return image.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path}: the image is damaged ({error}); {_ADVICE}") from error


_ADVICE = "mend the file, or pass None for an item without an image"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; {_ADVICE}") from error


def _open(path: Path, data: bytes) -> Image:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("pillow", "images", "reading images") from error

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(data))
    except (OSError, SyntaxError, ValueError) as error:
        kind = "empty" if not data else f"starting {data[:8]!r}"
        raise DataError(
            f"{path}: not an image that Pillow reads, {kind}, {len(data)} bytes; {_ADVICE}"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{path}: refused for its size: {error}; {_ADVICE}") from error
