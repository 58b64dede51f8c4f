import importlib.util

import pytest
import torch

from mrdib_graph.serving import Bundle, faiss_search
from mrdib_graph.serving.faiss_search import FaissSearch, pays
from mrdib_graph.serving.recommend import rank_rows

needs_faiss = pytest.mark.skipif(
    importlib.util.find_spec("faiss") is None, reason="faiss is not installed"
)


def test_it_is_used_only_for_one_user_of_a_large_catalogue(monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    assert pays(100_001, 1)
    assert not pays(100_000, 1)
    assert not pays(100_001, 2)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert not pays(100_001, 1)


@needs_faiss
def test_results_equal_the_full_product() -> None:
    generator = torch.Generator().manual_seed(0)
    item_table = torch.randn(5_000, 16, generator=generator)
    search = FaissSearch(item_table)
    for _ in range(20):
        user = torch.randn(1, 16, generator=generator)
        seen = torch.randperm(5_000, generator=generator)[:40]
        exclude = (torch.zeros_like(seen), seen)
        scores, items = rank_rows(user, item_table, 20, exclude)
        found_scores, found_items = search.rank(user, 20, seen)
        assert torch.equal(found_items, items)
        torch.testing.assert_close(found_scores, scores)


@needs_faiss
def test_a_bundle_answers_the_same_with_and_without(bundle: Bundle, monkeypatch) -> None:
    k = len(bundle.items)  # no cut-off, hence no tie across it
    expected = [bundle.recommend(user, k) for user in bundle.users.ids]
    monkeypatch.setattr(faiss_search, "MIN_ITEMS", 10)
    assert [bundle.recommend(user, k) for user in bundle.users.ids] == expected
    assert bundle._index is not None
