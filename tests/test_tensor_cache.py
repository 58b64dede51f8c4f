import logging
from pathlib import Path

import pytest
import torch

from mrdib_graph.tensor_cache import Content, cache_dir, read_or_build


def build() -> Content:
    return {"x": torch.arange(6.0).view(2, 3).t()}, {"date": "today"}


def never() -> Content:
    raise AssertionError("it is there")


def test_what_was_built_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.safetensors"
    for make in (build, never):
        tensors, facts = read_or_build(path, "graph", make)
        assert torch.equal(tensors["x"], build()[0]["x"]) and facts == {"date": "today"}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_damaged_file_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"half")
    with caplog.at_level(logging.WARNING):
        read_or_build(path, "graph", build)
    assert "cached graph" in caplog.text and "damaged" in caplog.text
    read_or_build(path, "graph", never)


def test_a_folder_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    tensors, _ = read_or_build(tmp_path / "file/a.safetensors", "feature", build)
    assert tensors["x"].shape == (3, 2) and "cannot be written" in caplog.text


def test_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MRDIB_GRAPH_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
