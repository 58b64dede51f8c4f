import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mrdib_graph.datasets.folder.feature_file import read_features
from mrdib_graph.errors import DataError
from mrdib_graph.transforms import large_table, row_blocks
from mrdib_graph.transforms.large_table import new_table
from mrdib_graph.transforms.scale_features import scale_rows


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where large tables go: those of 64 bytes or more."""
    monkeypatch.setenv("MRDIB_GRAPH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(large_table, "LARGE_BYTES", 64)
    return tmp_path / "cache"


def mapped(x: torch.Tensor, folder: Path) -> bool:
    """Whether the values of a tensor lie in a file below the folder, as the kernel sees it."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        begin, _, end = line.split()[0].partition("-")
        if int(begin, 16) <= x.data_ptr() < int(end, 16):
            return str(folder) in line
    raise AssertionError("the tensor is nowhere")


linux = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads /proc, Linux only")


@linux
def test_small_tables_are_in_memory_and_large_ones_in_a_file(folder):
    small, large = new_table((3, 5)), new_table((4, 4))
    assert small.shape == (3, 5) and small.dtype == torch.float32
    assert not mapped(small, folder) and mapped(large, folder)
    large.copy_(torch.arange(16.0).view(4, 4))
    assert large.sum() == 120 and large.dtype == torch.float32


def test_the_file_has_no_name(folder):
    table = new_table((4, 4))
    table.zero_()
    assert list(folder.iterdir()) == [] and not table.any()


def test_a_device_of_its_own_needs_no_file(folder):
    assert new_table((4, 4), torch.device("meta")).shape == (4, 4)
    assert not folder.exists()


def test_a_folder_that_cannot_hold_it(tmp_path, folder, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MRDIB_GRAPH_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="file: a table of 64 bytes cannot be put there: .*MRDIB"):
        new_table((4, 4))


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="cannot reserve space here")
def test_too_little_space_is_an_error_and_not_a_crash(tmp_path):
    """A file-size limit stands for a full disk, in a process that can be given one."""
    code = """
import resource, signal
from mrdib_graph.errors import DataError
from mrdib_graph.transforms.large_table import new_table
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
try:
    new_table((2**14, 2**14))
except DataError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "MRDIB_GRAPH_CACHE": str(tmp_path)},
    )
    assert "a table of 1073741824 bytes cannot be put there: File too large" in done.stdout
    assert done.returncode == 0 and list(tmp_path.iterdir()) == []


@linux
def test_scaled_and_converted_rows_are_the_same_in_a_file(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(row_blocks, "BLOCK_VALUES", 12)
    rows = np.random.default_rng(0).normal(3.0, 50.0, (9, 4))
    path = tmp_path / "text_feat.npy"
    np.save(path, rows)
    converted = read_features(path)
    scaled = scale_rows(converted)
    assert mapped(converted, folder) and mapped(scaled, folder)
    assert np.array_equal(converted.numpy(), rows.astype(np.float32))
    monkeypatch.setattr(large_table, "LARGE_BYTES", 2**29)
    in_memory = scale_rows(torch.from_numpy(rows.astype(np.float32)))
    assert not mapped(in_memory, folder) and torch.equal(scaled, in_memory)
