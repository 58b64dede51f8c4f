"""The header of a ``.npy`` file, read without trusting it."""

from __future__ import annotations

import tokenize
from typing import IO

import numpy as np

from mrdib_graph.errors import DataError

# NumPy names the first two; its parsers of headers and types let the others through.
_DAMAGE = (
    ValueError, TypeError, SyntaxError, tokenize.TokenError, RecursionError, OverflowError,
    LookupError, AttributeError, MemoryError,
)  # fmt: skip


def read_header(where: str, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Shape, whether the order is Fortran's, and type; ``file`` then stands at the values.

    Raises:
        DataError: It cannot be read, or is of another version than 1.0 or 2.0; begins with
            ``where``.
    """
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(file)
        if version == (2, 0):
            return np.lib.format.read_array_header_2_0(file)
    except _DAMAGE as error:
        raise DataError(
            f"{where}: the .npy header cannot be read ({error}); the file is damaged: copy or "
            "download it again"
        ) from error
    raise DataError(
        f"{where}: .npy format version {version[0]}.{version[1]}, expected 1.0 or 2.0: save a "
        "plain float32 array"
    )
