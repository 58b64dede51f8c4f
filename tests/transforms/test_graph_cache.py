"""The cache of derived graphs: keyed by content, rebuilt when damaged, never in the way."""

import logging
import resource
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mrdib_graph import graph
from mrdib_graph.testing import tiny_data
from mrdib_graph.transforms import ItemKNNGraph, graph_cache


class Counted:
    """A build function that counts its calls."""

    def __init__(self, size: int = 4) -> None:
        self.calls = 0
        self.size = size

    def __call__(self) -> dict[str, Tensor]:
        self.calls += 1
        return {"index": torch.arange(self.size), "value": torch.rand(self.size)}


X = {"x": torch.arange(6.0).view(3, 2), "mask": torch.tensor([True, False, True])}


def get(folder: Path, build: Counted, tensors=None, options=None) -> dict[str, Tensor]:
    return graph_cache.cached(
        X if tensors is None else tensors, options or {"k": 2}, build, folder, minimum_bytes=0
    )


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_a_second_call_reads_what_the_first_built(tmp_path: Path) -> None:
    build = Counted()
    first, second = get(tmp_path / "new", build), get(tmp_path / "new", build)
    assert build.calls == 1
    assert all(torch.equal(first[name], second[name]) for name in ("index", "value"))
    assert [path.suffix for path in files(tmp_path / "new")] == [".safetensors"]


@pytest.mark.parametrize(
    "tensors",
    [
        {**X, "x": X["x"] + torch.tensor([0.0, 1e-6])},
        {**X, "x": X["x"].double()},
        {**X, "x": X["x"].view(2, 3)},
        {**X, "mask": ~X["mask"]},
        {"y": X["x"], "mask": X["mask"]},
    ],
)
def test_other_content_is_another_entry(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    build = Counted()
    get(tmp_path, build)
    get(tmp_path, build, tensors)
    assert build.calls == 2 and len(files(tmp_path)) == 2


def test_other_options_or_another_version_are_another_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = Counted()
    get(tmp_path, build)
    get(tmp_path, build, options={"k": 3})
    monkeypatch.setattr(graph_cache, "CACHE_VERSION", -1)
    get(tmp_path, build)
    assert build.calls == 3


def test_the_key_is_that_of_the_content_not_of_its_memory_layout() -> None:
    wide = torch.randn(3000, 12)
    column_major = wide.T.contiguous().T
    assert not column_major.is_contiguous()
    key = graph_cache.content_key({"x": wide}, {})
    assert graph_cache.content_key({"x": column_major}, {}) == key
    assert graph_cache.content_key({"x": wide.bfloat16()}, {}) != key


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_file_is_rebuilt_with_a_warning(
    tmp_path: Path, damage: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    build = Counted()
    get(tmp_path, build)
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes()[:-8] if damage is None else damage)
    with caplog.at_level(logging.WARNING):
        second = get(tmp_path, build)
    assert build.calls == 2 and f"{path} is damaged" in caplog.text
    third = get(tmp_path, build)
    assert build.calls == 2 and torch.equal(second["value"], third["value"])


def test_a_folder_that_cannot_be_made_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    build = Counted()
    with caplog.at_level(logging.WARNING):
        result = get(tmp_path / "file", build)
    assert result["index"].tolist() == [0, 1, 2, 3]
    assert "cannot be written" in caplog.text


def test_a_disk_that_is_full_is_warned_about_and_leaves_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build = Counted(100_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with caplog.at_level(logging.WARNING):
            result = get(tmp_path, build)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert result["index"].numel() == 100_000
    assert "cannot be written" in caplog.text and files(tmp_path) == []


def test_small_inputs_are_not_cached(tmp_path: Path) -> None:
    build = Counted()
    graph_cache.cached(X, {}, build, tmp_path)
    assert build.calls == 1 and files(tmp_path) == []


def test_folder_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRDIB_GRAPH_CACHE", str(tmp_path / "mine"))
    assert graph_cache.cache_dir() == tmp_path / "mine"
    monkeypatch.delenv("MRDIB_GRAPH_CACHE")
    assert graph_cache.cache_dir().name == "mrdib_graph"


def test_the_item_graph_comes_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    module = importlib.import_module("mrdib_graph.transforms.item_knn_graph")
    calls = []

    def counted(*args, **options):
        calls.append(args)
        return search(*args, **options)

    def cached(tensors, options, build):
        return graph_cache.cached(tensors, options, build, tmp_path, minimum_bytes=0)

    search = module.neighbor_search
    monkeypatch.setattr(module, "neighbor_search", counted)
    monkeypatch.setattr(module, "cached", cached)
    first, second = (ItemKNNGraph(3)(tiny_data()) for _ in range(2))
    assert len(calls) == 2  # one a modality, none for the second graph
    for m in ("image", "text"):
        assert torch.equal(graph.item_graph(first, m).dense(), graph.item_graph(second, m).dense())
    ItemKNNGraph(3, "bin_sym")(tiny_data())
    ItemKNNGraph(3)(tiny_data(seed=1))
    ItemKNNGraph(4)(tiny_data())
    assert len(calls) == 8
