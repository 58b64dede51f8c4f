"""Which search is used, what it says, and what it refuses."""

import importlib.util
import logging
import sys
from importlib import import_module

import pytest
import torch

from mrdib_graph.errors import ConfigError, MissingExtraError
from mrdib_graph.nn import Neighbors, knn, neighbor_search
from mrdib_graph.nn.neighbor_search import check_search, uses_faiss

module = import_module("mrdib_graph.nn.neighbor_search")
X = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """50 rows count as a large catalogue."""
    monkeypatch.setattr(module, "MAX_EXACT", 50)
    return monkeypatch


def test_the_limit_is_what_the_documentation_says() -> None:
    assert module.MAX_EXACT == 100_000


def test_small_catalogues_are_exact(caplog: pytest.LogCaptureFixture) -> None:
    for search in ("auto", "exact"):
        found = neighbor_search(X, 5, search=search)  # type: ignore[arg-type]
        assert torch.equal(found.index, knn(X, 5)[0]) and found.recall == 1
    assert not caplog.records


def test_large_ones_are_approximate_where_it_is_installed(
    small_limit: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    small_limit.setattr(importlib.util, "find_spec", lambda _: object())
    small_limit.setattr(module, "faiss_knn", lambda x, k, mask: Neighbors(*knn(x, k, mask), 0.75))
    assert uses_faiss(X) and not uses_faiss(X[:50]) and not uses_faiss(X, "exact")
    with caplog.at_level(logging.INFO):
        assert neighbor_search(X, 5, name="images").recall == 0.75
    assert "images: the 5 nearest of 60 rows by FAISS, recall 0.750" in caplog.text
    assert neighbor_search(X, 5, search="exact").recall == 1


def test_without_it_they_are_exact_with_a_warning_of_the_cost(
    small_limit: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    small_limit.setattr(importlib.util, "find_spec", lambda _: None)
    assert torch.equal(neighbor_search(X, 5).index, knn(X, 5)[0])
    assert "60 rows" in caplog.text and "1.4e+04 multiplications" in caplog.text
    assert "mrdib-graph[ann]" in caplog.text
    caplog.clear()
    neighbor_search(X, 5, search="exact")  # asked for, so nothing to warn of
    assert not caplog.records


def test_an_unknown_search_and_an_absent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="search: got 'annoy', expected auto, exact or "):
        check_search("annoy")
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"mrdib-graph\[ann\]"):
        neighbor_search(X, 5, search="faiss")


def test_a_mask_reaches_the_search() -> None:
    mask = torch.arange(60) % 3 != 0
    found, truth = neighbor_search(X, 5, mask), knn(X, 5, mask)
    assert torch.equal(found.index, truth[0]) and torch.equal(found.value, truth[1])
