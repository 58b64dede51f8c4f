import logging
from pathlib import Path

import pytest
import torch

from mrdib_graph.features.row_cache import Facts, cache_folder, cached_rows

X = torch.arange(6.0).view(2, 3)


def _build() -> tuple[torch.Tensor, Facts]:
    return X, {"pooling": "mean"}


def _never() -> tuple[torch.Tensor, Facts]:
    raise AssertionError("the rows are in the cache")


def test_second_call_reads_the_file(tmp_path: Path) -> None:
    cached_rows(tmp_path, {"a": 1}, _build)
    x, facts = cached_rows(tmp_path, {"a": 1}, _never)
    assert torch.equal(x, X) and facts == {"pooling": "mean"}
    with pytest.raises(AssertionError, match="in the cache"):
        cached_rows(tmp_path, {"a": 2}, _never)


def test_damaged_file_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cached_rows(tmp_path, {}, _build)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with caplog.at_level(logging.WARNING):
        x, _ = cached_rows(tmp_path, {}, _build)
    assert torch.equal(x, X) and "damaged" in caplog.text
    assert path.read_bytes() == whole


def test_folder_that_cannot_be_written_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    with caplog.at_level(logging.WARNING):
        x, _ = cached_rows(tmp_path / "file", {}, _build)
    assert torch.equal(x, X) and "cannot be written" in caplog.text


def test_which_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder(False) is None
    assert cache_folder(str(tmp_path)) == tmp_path
    monkeypatch.setenv("MRDIB_GRAPH_CACHE", str(tmp_path / "own"))
    assert cache_folder(True) == tmp_path / "own" / "features"
    monkeypatch.delenv("MRDIB_GRAPH_CACHE")
    folder = cache_folder(True)
    assert folder is not None and folder.parts[-2:] == ("mrdib_graph", "features")
