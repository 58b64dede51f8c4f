"""Image features of Amazon Reviews 2014: a binary file of fixed records, read in blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from mrdib_graph.datasets.files.raw_files import DamagedFileError
from mrdib_graph.errors import DataError

KEY_BYTES, WIDTH = 10, 4096
RECORD = np.dtype([("key", np.uint8, KEY_BYTES), ("x", "<f4", WIDTH)])
"""10 bytes of ASCII, the item's id, then 4,096 little-endian float32: 16,394 bytes."""

_BLOCK = 256


class ImageRows(NamedTuple):
    """Items that had no record, and counts."""

    missing: list[int]
    counts: dict[str, int]


def copy_image_features(source: Path, target: Path, items: Mapping[str, int]) -> ImageRows:
    """Write ``target`` [I, 4096] float32, a ``.npy`` file, with the rows that ``source`` has.

    Memory holds a block of 4 MiB: rows go to their place in the file.  Of repeated records of an
    item the last one wins; an item without one gets the mean of the rows that were found.

    Args:
        source: The ``.b`` file.
        target: The ``.npy`` file, not there yet.
        items: Row number, 0 .. I - 1, of each item's id.

    Raises:
        DamagedFileError: The size is no multiple of a record, or a key is not printable ASCII.
        DataError: A wanted row holds NaN or infinity, or no item has a record.
    """
    size, total = source.stat().st_size, 0
    if size % RECORD.itemsize or not size:
        raise DamagedFileError(
            source,
            f"{size} bytes are no multiple of {RECORD.itemsize}, the size of a record; byte "
            f"{size - size % RECORD.itemsize} begins a record that is cut short",
        )
    found, repeated = np.zeros(len(items), dtype=bool), 0
    with source.open("rb") as records, target.open("w+b") as out:
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(items), WIDTH)}
        np.lib.format.write_array_header_1_0(out, header)
        start = out.tell()
        out.truncate(start + len(items) * WIDTH * 4)
        for block in _blocks(source, records, size):
            keys = [row.tobytes().decode("ascii") for row in block["key"]]
            for place, key in enumerate(keys):
                row = items.get(key)
                if row is None:
                    continue
                if not np.isfinite(block["x"][place]).all():
                    raise DataError(
                        f"{source}: the record of {key} at byte "
                        f"{(total + place) * RECORD.itemsize} holds NaN or infinity"
                    )
                repeated += int(found[row])
                found[row] = True
                out.seek(start + row * WIDTH * 4)
                out.write(block["x"][place].tobytes())
            total += len(block)
        if not found.any():
            raise DataError(
                f"{source}: none of its {total} records is of one of the {len(items)} items; is it "
                "the file of another category?"
            )
        missing = (~found).nonzero()[0]
        if len(missing):
            _fill(out, start, found, missing)
    counts = {"records read": total, "repeated records": repeated}
    return ImageRows(missing.tolist(), counts | {"items without a record": len(missing)})


def _blocks(source: Path, records: BinaryIO, size: int) -> Iterator[np.ndarray]:
    from tqdm import tqdm

    start, bar = 0, tqdm(desc=source.name, total=size, unit="B", unit_scale=True, disable=None)
    with bar:
        while raw := records.read(_BLOCK * RECORD.itemsize):
            block = np.frombuffer(raw, RECORD)
            bad = ((block["key"] < 0x20) | (block["key"] > 0x7E)).any(1)
            if bad.any():
                at = start + int(bad.argmax()) * RECORD.itemsize
                raise DamagedFileError(
                    source,
                    f"the key at byte {at} is {block['key'][bad.argmax()].tobytes()!r}, expected "
                    f"{KEY_BYTES} printable ASCII characters",
                )
            yield block
            start += len(raw)
            bar.update(len(raw))


def _fill(out: BinaryIO, start: int, found: np.ndarray, missing: np.ndarray) -> None:
    """Write the mean of the found rows, read back in blocks, into the missing ones."""
    total = np.zeros(WIDTH)
    for first in range(0, len(found), _BLOCK):
        rows = found[first : first + _BLOCK]
        out.seek(start + first * WIDTH * 4)
        block = np.frombuffer(out.read(len(rows) * WIDTH * 4), "<f4").reshape(-1, WIDTH)
        total += block[rows].sum(0, dtype=np.float64)
    mean = (total / found.sum()).astype("<f4").tobytes()
    for row in missing:
        out.seek(start + int(row) * WIDTH * 4)
        out.write(mean)
