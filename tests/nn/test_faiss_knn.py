"""The approximate search against the exact one, on rows in clusters."""

import importlib.util
import sys

import pytest
import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError, MissingExtraError
from mrdib_graph.nn import Neighbors, faiss_knn, knn

needs_faiss = pytest.mark.skipif(
    importlib.util.find_spec("faiss") is None, reason="faiss is not installed"
)


def clustered(size: int, width: int, noise: float = 0.5, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(40, width, generator=generator)
    rows = centres[torch.randint(40, (size,), generator=generator)]
    scale = torch.rand(size, 1, generator=generator) + 0.5  # norms differ, as in real features
    return scale * (rows + noise * torch.randn(size, width, generator=generator))


def share_found(found: Tensor, truth: Tensor) -> float:
    """Recall by the definition: true neighbours that were found, the item itself left out."""
    pairs = zip(found.tolist(), truth.tolist(), strict=True)
    hits = [len(set(mine[1:]) & set(best[1:])) for mine, best in pairs]
    return sum(hits) / (len(hits) * (truth.size(1) - 1))


@pytest.fixture(scope="module")
def narrow() -> tuple[Tensor, Neighbors]:
    x = clustered(4_000, 24)
    return x, faiss_knn(x, 8)


@needs_faiss
def test_most_true_neighbours_are_found_and_the_recall_is_right(narrow) -> None:
    x, found = narrow
    truth, _ = knn(x, 8)
    recall = share_found(found.index, truth)
    assert recall > 0.93
    assert found.recall == pytest.approx(recall, abs=0.03)  # of 256 rows times 7
    assert found.recall < 1  # so the agreement says something


@needs_faiss
def test_values_are_exact_cosines_in_rank_order_the_item_itself_first(narrow) -> None:
    x, found = narrow
    unit = torch.nn.functional.normalize(x.double(), dim=1)
    expected = torch.einsum("nd,nkd->nk", unit, unit[found.index])
    torch.testing.assert_close(found.value.double(), expected, atol=1e-6, rtol=0)
    assert torch.equal(found.index[:, 0], torch.arange(4_000))
    assert bool((found.value.diff(dim=1) < 1e-6).all())
    assert all(len(set(row)) == 8 for row in found.index.tolist())


@needs_faiss
@pytest.mark.parametrize("size", [2_000, 4_000])
def test_with_every_cell_the_search_is_the_exact_one(size: int) -> None:
    """A recall that cannot be reached takes all of the at most 256 cells."""
    x = clustered(size, 16)
    found, truth = faiss_knn(x, 6, min_recall=2.0), knn(x, 6)
    assert torch.equal(found.index, truth[0]) and found.recall == 1
    torch.testing.assert_close(found.value, truth[1], atol=1e-6, rtol=0)


@needs_faiss
def test_wide_rows_are_searched_in_fewer_columns_and_ranked_in_all() -> None:
    x = clustered(3_000, 200, noise=1.0)
    found = faiss_knn(x, 8)
    truth, _ = knn(x, 8)
    assert share_found(found.index, truth) > 0.9
    assert found.recall == pytest.approx(share_found(found.index, truth), abs=0.03)
    torch.testing.assert_close(found.value, torch.cosine_similarity(
        x.unsqueeze(1), x[found.index], dim=-1), atol=1e-5, rtol=0)  # fmt: skip


@needs_faiss
def test_half_precision_rows_are_read_as_they_are() -> None:
    x = clustered(2_000, 16).bfloat16()
    truth, _ = knn(x, 6)
    assert share_found(faiss_knn(x, 6).index, truth) > 0.93


@needs_faiss
def test_missing_rows_are_nobodys_neighbour() -> None:
    x = clustered(2_500, 16)
    mask = torch.arange(2_500) % 5 != 2
    x[~mask] = 0.0
    found = faiss_knn(x, 6, mask)
    truth, truth_value = knn(x, 6, mask)
    assert bool(mask[found.index[mask]].all())
    assert torch.equal(found.index[~mask], truth[~mask])
    assert not found.value[~mask].any() and not truth_value[~mask].any()
    assert share_found(found.index[mask], truth[mask]) > 0.93


@needs_faiss
def test_rows_whose_cells_hold_too_few_are_searched_exactly() -> None:
    """The 8 cells that are looked at first hold about 90 of the 2,000 rows."""
    x = clustered(2_000, 8)
    found, truth = faiss_knn(x, 400, min_recall=0.0), knn(x, 400)
    assert torch.equal(found.index, truth[0]) and found.recall == 1


@needs_faiss
def test_many_equal_rows_count_as_found() -> None:
    """A mean image stands for every missing one: any of the equal rows is as good."""
    x = clustered(3_000, 16)
    x[500:1_500] = x[500]
    found = faiss_knn(x, 6)
    assert found.recall > 0.93
    assert torch.allclose(found.value[500:1_500], torch.tensor(1.0))
    assert torch.equal(found.index[:, 0], torch.arange(3_000))


@needs_faiss
def test_one_seed_gives_one_result() -> None:
    x = clustered(2_000, 16, seed=3)
    first, second = faiss_knn(x, 6, seed=1), faiss_knn(x, 6, seed=1)
    assert torch.equal(first.index, second.index) and first.recall == second.recall


def test_few_rows_are_searched_exactly() -> None:
    x = clustered(300, 8)
    found, truth = faiss_knn(x, 5), knn(x, 5)
    assert torch.equal(found.index, truth[0]) and torch.equal(found.value, truth[1])
    assert found.recall == 1


def test_a_number_of_neighbours_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match="k: got 4 neighbours for 3 items, expected 1 to 3"):
        faiss_knn(torch.ones(3, 2), 4)


def test_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)  # as if it were not installed
    with pytest.raises(MissingExtraError, match=r"'faiss-cpu': .*mrdib-graph\[ann\]"):
        faiss_knn(clustered(2_000, 8), 5)
