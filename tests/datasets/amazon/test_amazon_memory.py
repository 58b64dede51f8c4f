"""Memory of a build: it follows users, items and rows, never the bytes of the raw files."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from mrdib_graph.testing import write_raw_amazon

BUILD = """
import json, sys
from pathlib import Path
from mrdib_graph.datasets import AmazonBaby, FetchOptions
from mrdib_graph.datasets.amazon import amazon_build

def peak():
    # Not ru_maxrss: a child starts with the value of its parent.
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024

if sys.argv[3] == "keep":  # what a reader that is not streaming would do
    read, kept = amazon_build.read_reviews, []
    def read_all(path, bad_lines):
        from mrdib_graph.datasets.files.raw_lines import read_lines
        kept.extend(line for _, line in read_lines(path))
        return read(path, bad_lines)
    amazon_build.read_reviews = read_all

options = FetchOptions(local=Path(sys.argv[1]), any_checksum=True)
before = peak()
AmazonBaby(sys.argv[2], build={"interactions": "reviews"}).fetch(options)
print(json.dumps({"before": before, "peak": peak()}))
"""


def build(raw, root, how="stream"):
    """Peak resident memory in MiB of a build in its own process, and that of its imports."""
    command = [sys.executable, "-c", BUILD, str(raw), str(root), how]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def unpacked(path):
    """MiB of a gzip file's content: what a reader that keeps everything would hold at least."""
    with gzip.open(path) as file:
        return sum(len(line) for line in file) / 2**20


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc, Linux only"),
]


def test_longer_reviews_need_no_more_memory(tmp_path):
    peaks, sizes = [], []
    for words in (40, 1_000):
        raw = tmp_path / f"raw{words}"
        made = write_raw_amazon(raw, users=2_000, items=1_000, rows=20_000, review_words=words)
        sizes.append(unpacked(made.reviews))
        peaks.append(build(raw, tmp_path / f"data{words}")["peak"])
    more = sizes[1] - sizes[0]
    assert more > 80
    assert peaks[1] - peaks[0] < 0.1 * more, (peaks, sizes)
    kept = build(tmp_path / "raw1000", tmp_path / "kept", "keep")["peak"]
    assert kept - peaks[0] > 0.8 * more, "the measurement does not see memory that is held"


def test_a_row_needs_less_than_a_kibibyte(tmp_path):
    """At that, Electronics' 1.7 million rows need less than half of 4 GB."""
    peaks, rows = [], []
    for number in (20_000, 120_000):
        raw = tmp_path / f"raw{number}"
        rows.append(write_raw_amazon(raw, users=3_000, items=1_000, rows=number).rows)
        peaks.append(build(raw, tmp_path / f"data{number}")["peak"])
    assert (peaks[1] - peaks[0]) * 2**20 / (rows[1] - rows[0]) < 1024, (peaks, rows)


def test_memory_does_not_hold_the_image_file(tmp_path):
    """6,000 items have 94 MiB of image features, which go to their place block by block."""
    made = write_raw_amazon(tmp_path / "raw", users=6_000, items=6_000, rows=60_000)
    size = made.images.stat().st_size / 2**20
    found = build(tmp_path / "raw", tmp_path / "data")
    assert size > 85
    assert found["peak"] - found["before"] < 0.75 * size, (found, size)
