"""The blocked neighbour search against a slow loop written from its definition."""

from importlib import import_module

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.nn import edge_cosine, inverse_sqrt, knn, neighbor_matrix
from mrdib_graph.nn.knn import knn_of_rows
from mrdib_graph.testing.largest_tensor import LargestTensor

knn_module = import_module("mrdib_graph.nn.knn")


def brute_force(x: Tensor, k: int, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Per row: itself first, then by cosine (equal to 1e-6), then by number; absent rows last."""
    x = x.double()
    size = x.size(0)
    there = [True] * size if mask is None else mask.tolist()
    index, value = [], []
    for i in range(size):
        ranked = []
        for j in range(size):
            norms = float(x[i].norm() * x[j].norm())
            cosine = float(x[i] @ x[j]) / norms if norms and there[j] else 0.0
            ranked.append((i != j, not there[j], -round(cosine, 5), j, cosine))
        ranked.sort(key=lambda entry: entry[:4])
        index.append([entry[3] for entry in ranked[:k]])
        value.append([entry[4] if there[i] and there[entry[3]] else 0.0 for entry in ranked[:k]])
    return torch.tensor(index), torch.tensor(value)


def grid_rows(size: int, width: int = 3, seed: int = 0) -> Tensor:
    """Rows of small integers: many duplicates, many exact ties, some zero rows."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-1, 3, (size, width), generator=generator).float()


def assert_same(x: Tensor, k: int, mask: Tensor | None = None) -> None:
    index, value = knn(x, k, mask)
    expected_index, expected_value = brute_force(x, k, mask)
    assert torch.equal(index, expected_index)
    torch.testing.assert_close(value, expected_value.float(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("k", [1, 2, 7, 60])
def test_equals_brute_force_with_ties(k: int) -> None:
    assert_same(grid_rows(60), k)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_equals_brute_force_without_ties(k: int) -> None:
    assert_same(torch.randn(80, 6, generator=torch.Generator().manual_seed(1)), k)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 25), st.integers(1, 25), st.integers(0, 10**6), st.booleans())
def test_equals_brute_force_anywhere(size: int, k: int, seed: int, masked: bool) -> None:
    mask = grid_rows(size, 1, seed + 1).squeeze(1) > 0 if masked else None
    assert_same(grid_rows(size, 2, seed), min(k, size), mask)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("rows", [1, 7, 60, 100])
def test_a_table_too_large_to_copy_is_searched_in_blocks(
    monkeypatch: pytest.MonkeyPatch, rows: int, masked: bool
) -> None:
    monkeypatch.setattr(knn_module, "_WHOLE_VALUES", 0)
    monkeypatch.setattr(knn_module, "_QUERY_VALUES", 3 * rows)
    monkeypatch.setattr(knn_module, "_BLOCK_VALUES", 25)
    mask = torch.arange(60) % 7 != 3 if masked else None
    assert_same(grid_rows(60), 8, mask)


def test_ties_take_itself_first_and_then_the_lowest_numbers() -> None:
    x = torch.tensor([[1.0, 0], [0, 1], [2, 0], [3, 0], [0, 2], [4, 0]])
    index, value = knn(x, 3)
    assert index.tolist() == [[0, 2, 3], [1, 4, 0], [2, 0, 3], [3, 0, 2], [4, 1, 0], [5, 0, 2]]
    assert value[1].tolist() == [1, 1, 0]


def test_items_with_one_shared_row_do_not_depend_on_the_machine() -> None:
    """A mean image stands for every missing one in the public data: hundreds tie at cosine 1."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 16, generator=generator)
    x[100:] = x[100]
    index, _ = knn(x, 5)
    assert index[250].tolist() == [250, 100, 101, 102, 103]
    assert index[100].tolist() == [100, 101, 102, 103, 104]


def test_missing_rows_are_nobodys_neighbour() -> None:
    x = grid_rows(30)
    mask = torch.arange(30) % 3 != 0
    assert_same(x, 8, mask)
    index, value = knn(x, 8, mask)
    assert not (value[~mask] != 0).any()
    assert mask[index[mask]].all()


def test_more_neighbours_than_existing_rows_have_value_zero() -> None:
    x = torch.ones(5, 2)
    mask = torch.tensor([True, False, True, False, False])
    index, value = knn(x, 4, mask)
    assert index[2].tolist() == [2, 0, 1, 3]
    assert value[2].tolist() == pytest.approx([1, 1, 0, 0])


def test_a_zero_row_has_cosine_zero() -> None:
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    index, value = knn(x, 3)
    assert index[0].tolist() == [0, 1, 2] and value[0].tolist() == [0, 0, 0]
    assert index[1].tolist() == [1, 0, 2] and value[1].tolist() == [1, 0, -1]


@pytest.mark.parametrize("block_values", [1, 50, 64 * 7, 64 * 64])
def test_the_block_size_changes_nothing(block_values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for x in (grid_rows(64), torch.randn(64, 5, generator=torch.Generator().manual_seed(2))):
        mask = torch.arange(64) % 5 != 0
        whole = knn(x, 9, mask)
        monkeypatch.setattr(knn_module, "_BLOCK_VALUES", block_values)
        blocked = knn(x, 9, mask)
        monkeypatch.undo()
        assert torch.equal(blocked[0], whole[0])
        torch.testing.assert_close(blocked[1], whole[1], atol=1e-6, rtol=0)


@pytest.mark.parametrize("block_values", [1, 64 * 7, 2**20])
def test_some_rows_get_what_all_rows_give_them(
    block_values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = torch.tensor([5, 0, 63, 20, 5])  # 5 and 20 are missing under the mask
    for x in (grid_rows(64), torch.randn(64, 5, generator=torch.Generator().manual_seed(2))):
        for mask in (None, torch.arange(64) % 5 != 0):
            whole = knn(x, 9, mask)
            monkeypatch.setattr(knn_module, "_BLOCK_VALUES", block_values)
            some = knn_of_rows(x, rows, 9, mask)
            monkeypatch.undo()
            assert torch.equal(some[0], whole[0][rows])
            torch.testing.assert_close(some[1], whole[1][rows], atol=1e-6, rtol=0)
    with pytest.raises(ConfigError, match="k: got 65 neighbours for 64 items"):
        knn_of_rows(x, rows, 65)


def test_scaling_a_row_changes_no_neighbour() -> None:
    x = torch.randn(40, 6, generator=torch.Generator().manual_seed(3))
    scale = torch.logspace(-3, 3, 40).unsqueeze(1)
    assert torch.equal(knn(x, 6)[0], knn(x * scale, 6)[0])


@pytest.mark.parametrize("k", [0, -1, 6])
def test_k_out_of_range(k: int) -> None:
    with pytest.raises(ConfigError, match=f"k: got {k} neighbours for 5 items, expected 1 to 5"):
        knn(torch.ones(5, 2), k)


def test_no_gradient() -> None:
    assert not knn(torch.ones(3, 2, requires_grad=True), 2)[1].requires_grad


def test_neighbor_matrix_places_the_values() -> None:
    index = torch.tensor([[0, 2], [1, 0], [2, 1]])
    value = torch.tensor([[1.0, 0.5], [0.9, 0.2], [0.8, 0.3]])
    matrix = neighbor_matrix(index, value, 4)
    assert matrix.shape == (3, 4) and not matrix.symmetric
    expected = [[1.0, 0.0, 0.5, 0.0], [0.2, 0.9, 0.0, 0.0], [0.0, 0.3, 0.8, 0.0]]
    torch.testing.assert_close(matrix.dense(), torch.tensor(expected))


def test_edge_cosine_is_differentiable() -> None:
    x = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    index = torch.tensor([[0, 3], [1, 0], [2, 2], [3, 5], [4, 1], [5, 4]])
    expected = torch.nn.functional.cosine_similarity(x.unsqueeze(1), x[index], dim=-1)
    torch.testing.assert_close(edge_cosine(x, index), expected)
    assert torch.autograd.gradcheck(lambda x: edge_cosine(x, index), (x.requires_grad_(),))


def test_edge_cosine_makes_no_copy_of_the_rows_for_each_edge() -> None:
    x = torch.randn(50, 32, generator=torch.Generator().manual_seed(0), requires_grad=True)
    index = torch.stack([torch.randperm(50)[:10] for _ in range(50)])
    with LargestTensor() as largest:
        torch.autograd.backward(edge_cosine(x, index).sum())
    assert largest.num_values <= 50 * 32


def test_inverse_sqrt_is_zero_where_the_degree_is_not_positive() -> None:
    degree = torch.tensor([4.0, 0.25, 0.0, -2.0], requires_grad=True)
    value = inverse_sqrt(degree)
    assert value.tolist() == [0.5, 2.0, 0.0, 0.0]
    value.sum().backward()
    assert degree.grad is not None
    assert degree.grad.tolist() == [-0.0625, -4.0, 0.0, 0.0]
