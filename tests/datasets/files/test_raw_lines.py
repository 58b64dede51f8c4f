import gzip
import os
import tracemalloc

import pytest

from mrdib_graph.datasets.files import raw_lines
from mrdib_graph.datasets.files.raw_files import DamagedFileError
from mrdib_graph.datasets.files.raw_lines import MAX_LINE, read_lines, read_text
from mrdib_graph.errors import DataError

TEXT = b"\xef\xbb\xbfone\r\n\ntwo\n  \nlast"


@pytest.mark.parametrize("name", ["lines.txt", "lines.gz"])
def test_lines_keep_their_numbers(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(TEXT) if name.endswith("gz") else TEXT)
    found = list(read_lines(tmp_path / name))
    assert found == [(1, b"one"), (3, b"two"), (4, b"  "), (5, b"last")]


def test_several_gzip_members_are_one_file(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    assert [line for _, line in read_lines(tmp_path / "a.gz")] == [b"one", b"two"]


WHOLE = gzip.compress(b"".join(b'{"asin": "%d"}\n' % i for i in range(5000)))
FLIPPED = WHOLE[:-8] + bytes([WHOLE[-8] ^ 1]) + WHOLE[-7:]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (WHOLE[:-9], "damaged or cut short: Compressed file ended"),
        (WHOLE[: len(WHOLE) // 2], "damaged or cut short"),
        (FLIPPED, "damaged or cut short: CRC check failed"),
        (WHOLE[:100] + b"\xff" * 50 + WHOLE[150:], "damaged or cut short"),
        (b"plain text", "damaged or cut short: Not a gzipped file"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"", "the file is empty"),
    ],
)
def test_damage_is_found(tmp_path, content, message):
    (tmp_path / "a.gz").write_bytes(content)
    with pytest.raises(DamagedFileError, match=message) as caught:
        list(read_lines(tmp_path / "a.gz"))
    assert caught.value.path == tmp_path / "a.gz"


def test_an_absent_file_of_bytes(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        list(read_lines(tmp_path / "a.gz"))


def test_a_line_has_a_largest_length(tmp_path, monkeypatch):
    monkeypatch.setattr(raw_lines, "MAX_LINE", 100)
    (tmp_path / "a").write_bytes(b"x" * 99 + b"\n" + b"y" * 101)
    with pytest.raises(DataError, match="line 2 is longer than 100 bytes"):
        list(read_lines(tmp_path / "a"))


def test_memory_does_not_grow_with_the_file(tmp_path):
    peaks = []
    for lines in (2_000, 32_000):
        path = tmp_path / f"{lines}.gz"
        path.write_bytes(gzip.compress(b"a line of some length, over and over\n" * lines, 1))
        list(read_lines(path))  # what is imported and cached once is not counted
        tracemalloc.start()
        assert sum(1 for _ in read_lines(path)) == lines
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 0.1 * 30_000 * 37, peaks


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "raw.txt"
        path.write_bytes(content)
        return path

    return write


def test_line_ends_blank_lines_and_byte_order_mark(write):
    path = write(b"\xef\xbb\xbfa\r\n\n  \nb\tc\r\n\r\nd")
    assert list(read_text(path)) == [(1, "a"), (4, "b\tc"), (6, "d")]
    assert [text for _, text in read_text(path, keep_blank=True)] == [
        "a",
        "",
        "  ",
        "b\tc",
        "",
        "d",
    ]


def test_encodings(write):
    assert list(read_text(write("Zoë".encode()))) == [(1, "Zoë")]
    assert list(read_text(write("a\nZoë".encode("latin-1")), "latin-1")) == [(1, "a"), (2, "Zoë")]


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (b"", "utf-8", "line 1: the file is empty"),
        (b"\n \r\n", "utf-8", "line 1: the file is empty"),
        (b"a\nb\0c\n", "utf-8", "line 2 holds a NUL byte"),
        (b"a\nb\0c\n", "latin-1", "line 2 holds a NUL byte"),
        (b"a\nb\n\xff\n", "utf-8", "line 3 is not UTF-8 .byte 0xff"),
        ("a\nZoë\n".encode(), "latin-1", "line 2 is UTF-8.*--encoding utf-8"),
        (b"\x1f\x8b\x08\x00", "latin-1", "line 1 starts.*compressed with gzip: unpack it"),
        (b"PK\x03\x04x", "utf-8", "line 1 starts.*a zip archive"),
        (b"\x80\x04\x95", "latin-1", "line 1 starts.*a pickle.*never loaded"),
        (b"<!DOCTYPE html><p>", "utf-8", "line 1 starts.*a web page"),
        (b"a\n" + b"x" * (MAX_LINE + 1), "utf-8", "line 2 is longer than"),
    ],
)
def test_what_is_no_text_is_refused_by_file_and_line(write, content, encoding, message):
    with pytest.raises(DataError, match=rf"raw\.txt: {message}"):
        list(read_text(write(content), encoding))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission(write):
    path = write(b"a")
    path.chmod(0)
    with pytest.raises(DataError, match=r"raw\.txt: cannot be read: Permission denied"):
        list(read_text(path))


def test_a_folder_is_no_text_file(tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path.name}: cannot be read"):
        list(read_text(tmp_path))
