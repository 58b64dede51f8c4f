"""What all fuzz targets share: inputs, folders, a limit of memory, mutations."""

from __future__ import annotations

import contextlib
import importlib
import logging
import random
import resource
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from mrdib_graph.errors import MRdIBError

HERE = Path(__file__).resolve().parent
BETWEEN = b"\n%%\n"
"""Stands between the files of an input that holds several."""

MEMORY = 2**31
"""Bytes of address space that reading one input of a few KB may take on top of what is there."""

IN_MEMORY = Path("/dev/shm")
"""Where folders of inputs are made if it is there: a disk would take most of the time."""

LARGEST = 2**16
"""Bytes of the longest mutated input."""

_NUMBERS = (b"0", b"-1", b"1e999", b"NaN", b"2147483648", b"9223372036854775808", b"9" * 5000)
_TOKENS = (b"\t", b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b'"', b"'", b"[", b"{", b"\\ud800")


class Target(NamedTuple):
    """A reader under test.

    ``read`` gets an empty folder and the input; it may raise the library's own errors only.
    """

    name: str
    read: Callable[[Path, bytes], None]
    seeds: Callable[[], list[bytes]]
    tokens: tuple[bytes, ...] = ()

    def corpus(self) -> list[bytes]:
        """The stored files of the target, then what its code makes."""
        folder = HERE / "corpus" / self.name
        return [path.read_bytes() for path in sorted(folder.glob("*"))] + self.seeds()


def target(name: str) -> Target:
    """The target of a file ``fuzz_<name>.py`` beside this one."""
    found: Target = importlib.import_module(f"fuzz_{name}").TARGET
    return found


def names() -> list[str]:
    """All targets."""
    return sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.py"))


def parts(data: bytes, names: tuple[str, ...]) -> dict[str, bytes]:
    """The files of an input, by name; those that it lacks are absent."""
    return dict(zip(names, data.split(BETWEEN, len(names) - 1), strict=False))


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write files into a folder."""
    for name, content in files.items():
        (folder / name).write_bytes(content)


def npy(shape: object, content: bytes, descr: object = "<f4", fortran: object = False) -> bytes:
    """A ``.npy`` file of format 1.0 with a header of one's own."""
    header = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def check(target: Target, data: bytes) -> None:
    """Read one input in a folder of its own.

    Anything but an error of the library comes out: it is a find.
    """
    folder = Path(tempfile.mkdtemp(prefix="fuzz", dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
    try:
        target.read(folder, data)
    except MRdIBError as error:
        str(error).encode("utf-8")  # a message that cannot be printed is a find, too
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def bounded_memory() -> Iterator[None]:
    """Let an allocation fail that is out of proportion to an input."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings about suspicious data out of the way."""
    logger = logging.getLogger("mrdib_graph")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def mutate(target: Target, seeds: list[bytes], rng: random.Random) -> bytes:
    """A seed with up to eight edits, of bytes, numbers, tokens, lines and pieces of other seeds."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(0, 8)):
        at = rng.randint(0, len(data))
        end = min(len(data), at + rng.choice((0, 1, 1, 2, 4, 16)))
        edit = rng.randint(0, 6)
        if edit == 0 and at < len(data):
            data[at] ^= 1 << rng.randint(0, 7)
        elif edit == 1:
            del data[at:end]
        elif edit == 2:
            data[at:end] = rng.choice((*_TOKENS, *target.tokens))
        elif edit == 3:
            data[at:end] = rng.choice(_NUMBERS)
        elif edit == 4:
            del data[at:]
        elif edit == 5:
            other = rng.choice(seeds)
            start = rng.randint(0, len(other))
            data[at:end] = other[start : start + rng.randint(0, 200)]
        else:
            data[at:at] = bytes(data[at : at + rng.randint(1, 40)]) * rng.choice((1, 1, 2, 300))
    return bytes(data[:LARGEST])
